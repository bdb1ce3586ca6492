-- It refuses while there are jobs, unless told to discard them.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND EXISTS (SELECT FROM etl_jobs) THEN
        RAISE EXCEPTION 'the older schema cannot hold the % jobs: --discard gives them up',
            (SELECT count(*) FROM etl_jobs);
    END IF;
END
$$;
DROP TABLE etl_jobs;
