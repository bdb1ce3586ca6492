-- programs: >=0.1
-- The audit tells when a job turns: its first failure, and its success after failures. What fails again tells nothing new:
-- the job's row counts it. So that a feed of what happened is one walk along job_events.

CREATE FUNCTION tell_job_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (action, actor, tenant_id, job_id, run_id, detail)
    VALUES (
        CASE WHEN NEW.status = 'FAILED' THEN 'failed' ELSE 'recovered' END,
        'etl-tui', NEW.tenant_id, NEW.id,
        (SELECT max(r.id) FROM job_runs AS r WHERE r.job_id = NEW.id),
        CASE
            WHEN NEW.status = 'FAILED'
                THEN jsonb_build_object('error', NEW.error_message, 'kind', NEW.error_kind)
            ELSE jsonb_build_object('failures', OLD.retry_count, 'last_success_at', OLD.last_success_at)
        END
    );
    RETURN NULL;
END
$$;

-- The condition is the trigger's own: an update that is no turn does not call the function.
CREATE TRIGGER etl_jobs_failed AFTER UPDATE OF status ON etl_jobs FOR EACH ROW
WHEN (NEW.status = 'FAILED' AND OLD.status <> 'FAILED' AND OLD.retry_count = 0)
EXECUTE FUNCTION tell_job_turn();
CREATE TRIGGER etl_jobs_recovered AFTER UPDATE OF status ON etl_jobs FOR EACH ROW
WHEN (NEW.status = 'FINISHED' AND OLD.status <> 'FINISHED' AND OLD.retry_count > 0)
EXECUTE FUNCTION tell_job_turn();
