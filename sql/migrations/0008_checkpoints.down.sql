-- The document in etl_jobs.checkpoint_data stays; its history has no place in the older schema.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on'
        AND EXISTS (SELECT FROM job_checkpoint_history WHERE source <> 'migration') THEN
        RAISE EXCEPTION 'the older schema cannot hold the history of checkpoints: --discard gives it up';
    END IF;
END
$$;
DROP TRIGGER etl_jobs_checkpoint_edit ON etl_jobs;
DROP FUNCTION take_over_checkpoint_edit();
DROP FUNCTION cut_checkpoint(integer, text, text, text, bigint, jsonb);
DROP FUNCTION checkpoint_streams(integer);
ALTER TABLE etl_jobs DROP COLUMN checkpoint_version;
DROP TABLE job_checkpoint_history, job_checkpoints;
