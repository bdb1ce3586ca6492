-- programs: >=0.1
-- The audit only grows: nobody changes or removes an event but the prune duty, by age. And runs beside others, as
-- people compare them.

-- An event outlives what it tells of, and tells of it by the same number: a run that is pruned, a job that is gone. With
-- the foreign keys every pruned run would change its events.
ALTER TABLE job_events
    DROP CONSTRAINT job_events_tenant_id_fkey,
    DROP CONSTRAINT job_events_job_id_fkey,
    DROP CONSTRAINT job_events_run_id_fkey;
COMMENT ON COLUMN job_events.run_id IS 'Kept when the run is pruned, as job_id and tenant_id when those are gone.';

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('etl.audit_prune', true) = 'on' THEN
        IF OLD.at < now() - interval '4 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit is not changed: job_events only grows, and old events are pruned by age'
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER job_events_only_grow BEFORE UPDATE OR DELETE ON job_events
FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER job_events_stay BEFORE TRUNCATE ON job_events
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- Removes events that are older, up to so many; never younger ones than four days. How many went.
CREATE FUNCTION prune_audit(keep interval, at_most integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM set_config('etl.audit_prune', 'on', true);
    DELETE FROM job_events
    WHERE id IN (
        SELECT e.id FROM job_events AS e
        WHERE e.at < now() - greatest(keep, interval '4 days')
        ORDER BY e.at
        LIMIT at_most
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    PERFORM set_config('etl.audit_prune', 'off', true);
    RETURN gone;
END
$$;

CREATE INDEX job_checkpoint_history_of_run ON job_checkpoint_history (run_id) WHERE run_id IS NOT NULL;

-- A run beside others: whose it is, and where the checkpoint went. What cut no version left it where it was.
CREATE VIEW run_history AS
SELECT
    o.*, t.name AS tenant, j.job_name, r.tenant_id, r.options, r.is_partial,
    coalesce(cut.first - 1, stood.version, 0) AS checkpoint_before,
    coalesce(cut.last, stood.version, 0) AS checkpoint_after,
    now() AS read_at
FROM job_runs AS r
INNER JOIN run_overview AS o ON r.id = o.id
INNER JOIN etl_jobs AS j ON r.job_id = j.id
INNER JOIN tenants AS t ON r.tenant_id = t.id
LEFT JOIN LATERAL (
    SELECT min(h.version) AS first, max(h.version) AS last
    FROM job_checkpoint_history AS h
    WHERE h.run_id = r.id
) AS cut ON true
LEFT JOIN LATERAL (
    SELECT max(h.version) AS version
    FROM job_checkpoint_history AS h
    WHERE cut.first IS NULL AND h.job_id = r.job_id AND h.cut_at <= coalesce(r.started_at, r.queued_at)
) AS stood ON true;

-- An event with the names of what it tells of, while that is there.
CREATE VIEW audit_trail AS
SELECT
    e.id, e.at, e.action, e.actor, e.os_user, e.ssh_origin, e.db_role, e.tenant_id, t.name AS tenant, e.job_id,
    j.job_name, e.run_id, e.detail
FROM job_events AS e
LEFT JOIN tenants AS t ON e.tenant_id = t.id
LEFT JOIN etl_jobs AS j ON e.job_id = j.id;
-- Events of an integration are those of its jobs, too.
CREATE INDEX job_events_of_integration ON job_events (tenant_id, (detail ->> 'integration'), id DESC)
    WHERE job_id IS NULL AND (detail ->> 'integration') IS NOT NULL;
