-- Runs are history; the older schema keeps of them what stands in the job's row.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND EXISTS (SELECT FROM job_runs) THEN
        RAISE EXCEPTION 'the older schema cannot hold the % runs of job_runs: --discard gives them up',
            (SELECT count(*) FROM job_runs);
    END IF;
END
$$;
DROP TABLE batch_payloads, run_batches, job_runs, schedulers, workers;
