DROP VIEW ready_runs, blackouts, place_bars;
DROP INDEX integrations_bound, etl_jobs_due_of_tenant;
DROP FUNCTION end_clean_run(bigint, bigint, bigint);
DROP FUNCTION end_run(bigint, integer, text, jsonb, text, text, text, text, jsonb);
DROP FUNCTION finish_job(integer, boolean, text, text, text);
DROP FUNCTION tally_batches(bigint);
DROP TABLE run_streams;
DROP INDEX run_batches_waiting, run_batches_set_aside;
ALTER TABLE run_batches DROP COLUMN in_hand_since, DROP COLUMN format;
