-- Events may be changed again, and forget what is gone.
DROP VIEW audit_trail, run_history;
DROP INDEX job_events_of_integration;
DROP INDEX job_checkpoint_history_of_run;
DROP FUNCTION prune_audit(interval, integer);
DROP TRIGGER job_events_stay ON job_events;
DROP TRIGGER job_events_only_grow ON job_events;
DROP FUNCTION refuse_audit_change();

UPDATE job_events AS e
SET tenant_id = (SELECT t.id FROM tenants AS t WHERE t.id = e.tenant_id),
    job_id = (SELECT j.id FROM etl_jobs AS j WHERE j.id = e.job_id),
    run_id = (SELECT r.id FROM job_runs AS r WHERE r.id = e.run_id);
COMMENT ON COLUMN job_events.run_id IS NULL;
ALTER TABLE job_events
    ADD CONSTRAINT job_events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE SET NULL,
    ADD CONSTRAINT job_events_job_id_fkey FOREIGN KEY (job_id) REFERENCES etl_jobs (id) ON DELETE SET NULL,
    ADD CONSTRAINT job_events_run_id_fkey FOREIGN KEY (run_id) REFERENCES job_runs (id) ON DELETE SET NULL;
