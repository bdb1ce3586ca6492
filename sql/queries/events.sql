-- The audit.

-- name: record_event(action, actor, os_user, ssh_origin, tenant_id, job_id, run_id, detail)!
-- One action of a person or of the program; the database adds its own role and clock.
INSERT INTO job_events (action, actor, os_user, ssh_origin, tenant_id, job_id, run_id, detail)
VALUES (
    :action, :actor, :os_user, :ssh_origin,
    coalesce(
        :tenant_id, (SELECT j.tenant_id FROM etl_jobs AS j WHERE j.id = :job_id),
        (SELECT t.id FROM tenants AS t WHERE t.name = :detail::jsonb ->> 'tenant')
    ),
    :job_id, :run_id, :detail
);

-- name: lost_workers_of_run(run_id, seq, at_most)
-- The workers that were lost on a run, or on a batch of it (seq), newest first.
SELECT detail ->> 'worker' AS worker
FROM job_events
WHERE run_id = :run_id AND action = 'worker_lost'
    AND (:seq::integer IS NULL OR (detail ->> 'batch')::integer = :seq)
ORDER BY id DESC
LIMIT :at_most;

-- name: list_events(tenant, since, actor, actions, before_id, at_most)
-- The newest events, newest first: of a tenant, since then, of an actor (in any case), of these actions, before an event;
-- null is any.
SELECT * FROM audit_trail
WHERE (:tenant::text IS NULL OR tenant = :tenant)
    AND (:since::timestamptz IS NULL OR at >= :since)
    AND (:actor::text IS NULL OR lower(actor) = lower(:actor) OR lower(os_user) = lower(:actor))
    AND (:actions::text [] IS NULL OR action = ANY(:actions))
    AND (:before_id::bigint IS NULL OR id < :before_id)
ORDER BY id DESC
LIMIT :at_most;

-- name: list_events_of_job(job_id, since, actor, actions, before_id, at_most)
-- As `list_events`, of a job and of its integration.
SELECT * FROM (
    SELECT * FROM audit_trail WHERE job_id = :job_id
    UNION ALL
    SELECT a.*
    FROM etl_jobs AS j
    INNER JOIN integrations AS i ON j.integration_id = i.id
    INNER JOIN audit_trail AS a
        ON i.tenant_id = a.tenant_id AND i.name = a.detail ->> 'integration'
    WHERE j.id = :job_id AND a.job_id IS NULL
) AS of_job
WHERE (:since::timestamptz IS NULL OR at >= :since)
    AND (:actor::text IS NULL OR lower(actor) = lower(:actor) OR lower(os_user) = lower(:actor))
    AND (:actions::text [] IS NULL OR action = ANY(:actions))
    AND (:before_id::bigint IS NULL OR id < :before_id)
ORDER BY id DESC
LIMIT :at_most;
