ALTER TABLE run_batches DROP COLUMN in_hand_since;
DROP VIEW ready_runs, blackouts, place_bars;
DROP INDEX integrations_bound, etl_jobs_due_of_tenant;
