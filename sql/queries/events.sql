-- The audit.

-- name: record_event(action, actor, os_user, ssh_origin, tenant_id, job_id, run_id, detail)!
-- One action of a person or of the program; the database adds its own role and clock.
INSERT INTO job_events (action, actor, os_user, ssh_origin, tenant_id, job_id, run_id, detail)
VALUES (
    :action, :actor, :os_user, :ssh_origin,
    coalesce(:tenant_id, (SELECT j.tenant_id FROM etl_jobs AS j WHERE j.id = :job_id)),
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
