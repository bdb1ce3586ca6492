-- How a due job becomes a run, and a run gets a worker. Every process may run these at any time, any number of
-- them at once: SKIP LOCKED divides the work, guards make each transition happen once.

-- name: claim_capacity(lost_after)$
-- How many jobs may be claimed now: twice the free slots alive, less the queued runs that could start; 0 when no
-- worker is alive. lost_after is a number of seconds.
SELECT
    greatest(
        0,
        2 * (coalesce(sum(w.slots), 0) - (SELECT count(*) FROM job_runs WHERE state = 'RUNNING'))
        - (SELECT count(*) FROM job_runs WHERE state = 'QUEUED' AND ready_at <= now())
    )::integer
FROM workers AS w
WHERE w.stopped_at IS NULL AND w.lost_at IS NULL
    AND w.heartbeat_at > now() - make_interval(secs => :lost_after);

-- name: claim_due(at_most)
-- Takes due jobs: RUNNING, with a QUEUED run each. Fair between tenants (each gets a turn before one gets two),
-- oldest due first within one. A job with an open run is left alone: one contradictory row would otherwise stop
-- all dispatch (m). It is passed over before the limit counts, and looked at again once the row is locked.
WITH turns AS (
    SELECT
        d.id, d.due_at,
        row_number() OVER (PARTITION BY t.id ORDER BY d.due_at, d.id) AS turn
    FROM tenants AS t
    CROSS JOIN LATERAL (
        SELECT j.id, j.due_at
        FROM etl_jobs AS j
        WHERE j.tenant_id = t.id AND j.due_at <= now()
            AND NOT EXISTS (
                SELECT FROM job_runs AS r
                WHERE r.job_id = j.id AND r.state IN ('QUEUED', 'RUNNING')
            )
        ORDER BY j.due_at
        LIMIT :at_most
    ) AS d
),

chosen AS (
    SELECT j.id, j.tenant_id, j.status
    FROM etl_jobs AS j
    WHERE j.id IN (SELECT id FROM turns ORDER BY turn, due_at, id LIMIT :at_most)
        AND j.due_at <= now()
        AND NOT EXISTS (
            SELECT FROM job_runs AS r
            WHERE r.job_id = j.id AND r.state IN ('QUEUED', 'RUNNING')
        )
    FOR NO KEY UPDATE OF j SKIP LOCKED
),

started AS (
    UPDATE etl_jobs AS j
    SET status = 'RUNNING', last_run_started_at = now(), error_message = NULL, error_kind = NULL
    FROM chosen
    WHERE j.id = chosen.id
)

INSERT INTO job_runs (job_id, tenant_id, trigger)
SELECT id, tenant_id, CASE status WHEN 'FAILED' THEN 'retry' ELSE 'schedule' END FROM chosen
RETURNING id, job_id;

-- name: seconds_to_next_due()$
-- Seconds until the next job falls due that is not due yet; null when there is none.
SELECT extract(EPOCH FROM min(due_at) - now())::float FROM etl_jobs WHERE due_at > now();

-- name: claim_run(worker_id)^
-- The best ready run, for this worker: a person's first, then the one that waits longest. Raises its lease.
-- Nothing for a worker that was taken for lost and does not know it yet: that would cost the run a second loss.
WITH best AS (
    SELECT r.id
    FROM job_runs AS r
    WHERE r.state = 'QUEUED' AND r.ready_at <= now()
        AND EXISTS (
            SELECT FROM workers AS w
            WHERE w.id = :worker_id AND w.lost_at IS NULL AND w.stopped_at IS NULL
        )
    ORDER BY (r.trigger <> 'manual'), r.ready_at, r.id
    LIMIT 1
    FOR NO KEY UPDATE OF r SKIP LOCKED
),

claimed AS (
    UPDATE job_runs AS r
    SET state = 'RUNNING', lease = r.lease + 1, worker_id = :worker_id, wait_reason = NULL,
        started_at = coalesce(r.started_at, now())
    FROM best
    WHERE r.id = best.id
    RETURNING r.id, r.job_id, r.tenant_id, r.lease, r.losses, r.extract_done, r.options, r.trigger
)

SELECT
    c.*, j.job_name, t.name AS tenant, i.name AS integration, i.type AS integration_type, i.config,
    CASE WHEN j.checkpoint_data ? 'streams' THEN NULL ELSE j.checkpoint_data END AS legacy_checkpoint
FROM claimed AS c
INNER JOIN etl_jobs AS j ON c.job_id = j.id
INNER JOIN tenants AS t ON c.tenant_id = t.id
LEFT JOIN integrations AS i ON j.integration_id = i.id;

-- name: rest_finished(rest_seconds)$
-- FINISHED becomes READY after its rest; returns how many.
WITH rested AS (
    UPDATE etl_jobs
    SET status = 'READY'
    WHERE id IN (
        SELECT id FROM etl_jobs
        WHERE status = 'FINISHED' AND last_run_finished_at < now() - make_interval(secs => :rest_seconds)
        FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING id
)

SELECT count(*) FROM rested;

-- name: end_holds()$
-- Holds with an end that has passed are over; returns how many.
WITH ended AS (
    UPDATE etl_jobs
    SET held = false, hold_reason = NULL, held_by = NULL, held_until = NULL
    WHERE held AND held_until <= now()
    RETURNING id
)

SELECT count(*) FROM ended;

-- name: count_ready_runs()$
-- Queued runs that a worker could take now: so many rings.
SELECT count(*)::integer FROM job_runs WHERE state = 'QUEUED' AND ready_at <= now();
