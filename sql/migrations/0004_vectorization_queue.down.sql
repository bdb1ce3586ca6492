-- It refuses while records wait in it, unless told to discard them.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND EXISTS (SELECT FROM vectorization_queue) THEN
        RAISE EXCEPTION 'the older schema cannot hold the % rows of vectorization_queue: --discard gives them up',
            (SELECT count(*) FROM vectorization_queue);
    END IF;
END
$$;
DROP TABLE vectorization_queue;
