-- How a due job becomes a run, and a run gets a worker. Every process may run these at any time, any number of
-- them at once: SKIP LOCKED divides the work, guards make each transition happen once.

-- name: claim_capacity(lost_after)$
-- How many jobs may be claimed now: twice the free slots of the workers that are alive and not draining, less the
-- queued runs that could start, and no more than the limit of all leaves room for; 0 when no worker is alive.
-- lost_after is a number of seconds.
-- A place is asked once, not once for each of its runs: with thousands queued that was all the time of a claim.
WITH queued AS MATERIALIZED (
    SELECT q.job_id, coalesce(j.integration_id, 0) AS place, q.trigger = 'manual' AS by_person
    FROM job_runs AS q INNER JOIN etl_jobs AS j ON q.job_id = j.id
    WHERE q.state = 'QUEUED' AND q.ready_at <= now()
),

places AS MATERIALIZED (
    SELECT d.place, d.by_person, place_obstacle(nullif(d.place, 0), d.by_person) AS obstacle
    FROM (SELECT DISTINCT q.place, q.by_person FROM queued AS q) AS d
),

ready AS MATERIALIZED (
    SELECT
        CASE
            WHEN q.job_id IN (SELECT w.job_id FROM blackout_windows AS w WHERE w.job_id IS NOT NULL)
                THEN job_obstacle(q.job_id, q.by_person, p.obstacle)
            ELSE p.obstacle
        END ->> 'kind' AS obstacle
    FROM queued AS q INNER JOIN places AS p ON q.place = p.place AND q.by_person = p.by_person
)

SELECT
    greatest(
        0,
        least(
            2 * (
                SELECT coalesce(sum(greatest(0, w.slots - held.runs)), 0)
                FROM workers AS w
                CROSS JOIN LATERAL (
                    SELECT count(*) AS runs FROM job_runs AS r WHERE r.worker_id = w.id AND r.state = 'RUNNING'
                ) AS held
                WHERE w.stopped_at IS NULL AND w.lost_at IS NULL AND w.draining_by IS NULL
                    AND w.heartbeat_at > now() - make_interval(secs => :lost_after)
            ) - (SELECT count(*) FROM ready WHERE obstacle IS NULL),
            l.max_runs - (SELECT count(*) FROM job_runs WHERE l.max_runs > 0 AND state = 'RUNNING')
            - (SELECT count(*) FROM ready WHERE obstacle IS NULL OR obstacle = 'busy')
        )
    )::integer
FROM dispatch_limits AS l;

-- name: claim_due(at_most)
-- Takes due jobs: RUNNING, with a QUEUED run each. Fair between tenants (each gets a turn before one gets two),
-- oldest due first within one; no more of an integration or tenant than its limit leaves room for; nothing of what
-- is paused, blacked out or limited by its source. A job with an open run is left alone: one contradictory row would
-- otherwise stop all dispatch (m). Limits are looked at here to spare vain claims; they bind when a worker claims.
-- What is parked, paused or blacked out takes no room: its neighbours go on.
-- Three things keep its plan when statistics are older than an outage (100 ms and more a claim otherwise, measured):
-- open runs are NOT IN, read once, not sought for each due job; the best are MATERIALIZED; `(SELECT now())` hides from
-- the planner how few were due when it last looked, or it reads all that are due for each integration.
WITH open_runs AS MATERIALIZED (
    SELECT j.integration_id, r.tenant_id
    FROM job_runs AS r INNER JOIN etl_jobs AS j ON r.job_id = j.id
    WHERE r.state = 'RUNNING'
        OR (
            r.state = 'QUEUED' AND r.ready_at <= now()
            AND coalesce(dispatch_obstacle(r.job_id, r.trigger = 'manual') ->> 'kind', 'busy') = 'busy'
        )
),

windows AS MATERIALIZED (
    SELECT w.tenant_id, w.integration_id, w.job_id
    FROM blackout_windows AS w
    WHERE window_end(w, now()) IS NOT NULL
),

rooms AS (
    SELECT
        i.id AS integration_id, i.tenant_id,
        least(
            :at_most,
            i.max_runs - (SELECT count(*) FROM open_runs AS o WHERE i.max_runs > 0 AND o.integration_id = i.id)
        ) AS room,
        t.max_runs
        - (SELECT count(*) FROM open_runs AS o WHERE t.max_runs > 0 AND o.tenant_id = t.id) AS tenant_room
    FROM integrations AS i INNER JOIN tenants AS t ON i.tenant_id = t.id
    WHERE EXISTS (SELECT FROM etl_jobs AS j WHERE j.due_at <= now())
        AND (i.ready_at IS NULL OR i.ready_at <= now())
        AND NOT EXISTS (
            SELECT FROM pauses AS p
            WHERE (p.tenant_id IS NULL OR p.tenant_id = i.tenant_id)
                AND (p.integration_id IS NULL OR p.integration_id = i.id)
        )
        AND NOT EXISTS (
            SELECT FROM windows AS w
            WHERE w.tenant_id = i.tenant_id AND w.job_id IS NULL
                AND (w.integration_id IS NULL OR w.integration_id = i.id)
        )
),

turns AS (
    SELECT
        d.id, d.due_at, r.tenant_room,
        row_number() OVER (PARTITION BY r.tenant_id ORDER BY d.due_at, d.id) AS turn
    FROM rooms AS r
    CROSS JOIN LATERAL (
        SELECT j.id, j.due_at
        FROM etl_jobs AS j
        WHERE j.integration_id = r.integration_id AND j.due_at <= (SELECT now())
            AND NOT EXISTS (SELECT FROM windows AS w WHERE w.job_id = j.id)
            AND j.id NOT IN (SELECT o.job_id FROM job_runs AS o WHERE o.state IN ('QUEUED', 'RUNNING'))
        ORDER BY j.due_at
        LIMIT greatest(0, r.room)
    ) AS d
),

best AS MATERIALIZED (
    SELECT id FROM turns
    WHERE tenant_room IS NULL OR turn <= tenant_room
    ORDER BY turn, due_at, id
    LIMIT :at_most
),

chosen AS (
    SELECT j.id, j.tenant_id, j.status
    FROM etl_jobs AS j INNER JOIN best ON j.id = best.id
    WHERE j.due_at <= (SELECT now())
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

-- name: lock_limits(tenant_id, integration_id)$
-- Holds the rows whose limits bind this run, always in this order: all, tenant, integration.
WITH
everything AS (SELECT l.only_row FROM dispatch_limits AS l WHERE l.max_runs IS NOT NULL FOR NO KEY UPDATE),

tenant AS (
    SELECT t.id FROM tenants AS t
    WHERE t.id = :tenant_id AND t.max_runs IS NOT NULL AND (SELECT count(*) FROM everything) >= 0
    FOR NO KEY UPDATE
)

SELECT i.id FROM integrations AS i
WHERE i.id = :integration_id AND i.max_runs IS NOT NULL AND (SELECT count(*) FROM tenant) >= 0
FOR NO KEY UPDATE;

-- name: take_run(run_id, worker_id)^
-- Gives a held run to a worker and raises its lease; no row when a limit has been reached meanwhile. A statement of
-- its own, after the locks, so that it sees what the others committed.
WITH claimed AS (
    UPDATE job_runs AS r
    SET state = 'RUNNING', lease = r.lease + 1, worker_id = :worker_id, wait_reason = NULL,
        started_at = coalesce(r.started_at, now())
    WHERE r.id = :run_id AND r.state = 'QUEUED' AND dispatch_obstacle(r.job_id, r.trigger = 'manual') IS NULL
    RETURNING r.id, r.job_id, r.tenant_id, r.lease, r.worker_id, r.losses, r.extract_done, r.options, r.trigger
)

SELECT
    c.*, j.job_name, t.name AS tenant, i.name AS integration, i.type AS integration_type, i.config,
    CASE WHEN j.checkpoint_data ? 'streams' THEN NULL ELSE j.checkpoint_data END AS legacy_checkpoint
FROM claimed AS c
INNER JOIN etl_jobs AS j ON c.job_id = j.id
INNER JOIN tenants AS t ON c.tenant_id = t.id
LEFT JOIN integrations AS i ON j.integration_id = i.id;

-- name: take_best_run(worker_id)^
-- The best run that could start: a person's first, then the one that waits longest. Given to the worker at once, as by
-- take_run, unless limits bind it: then only is_limited says so, and in a transaction it is held, so that it can be
-- looked at again under the locks of its limits, for two claims at once both pass a count (m). Others skip it. A worker
-- that is to drain, or was taken for lost, gets none.
WITH picked AS MATERIALIZED (
    SELECT
        r.id, r.job_id, r.tenant_id, j.integration_id,
        (i.max_runs IS NOT NULL OR t.max_runs IS NOT NULL OR (SELECT l.max_runs IS NOT NULL FROM dispatch_limits AS l))
        AS is_limited
    FROM job_runs AS r
    INNER JOIN etl_jobs AS j ON r.job_id = j.id
    INNER JOIN tenants AS t ON r.tenant_id = t.id
    LEFT JOIN integrations AS i ON j.integration_id = i.id
    WHERE r.state = 'QUEUED' AND r.ready_at <= now()
        AND EXISTS (
            SELECT FROM workers AS w
            WHERE w.id = :worker_id AND w.draining_by IS NULL AND w.lost_at IS NULL AND w.stopped_at IS NULL
        )
        AND dispatch_obstacle(r.job_id, r.trigger = 'manual') IS NULL
    ORDER BY (r.trigger <> 'manual'), r.ready_at, r.id
    LIMIT 1
    FOR NO KEY UPDATE OF r SKIP LOCKED
),

claimed AS (
    UPDATE job_runs AS r
    SET state = 'RUNNING', lease = r.lease + 1, worker_id = :worker_id, wait_reason = NULL,
        started_at = coalesce(r.started_at, now())
    FROM picked
    WHERE r.id = picked.id AND r.state = 'QUEUED' AND NOT picked.is_limited
    RETURNING r.id, r.job_id, r.tenant_id, r.lease, r.worker_id, r.losses, r.extract_done, r.options, r.trigger
)

SELECT
    picked.is_limited, picked.id AS picked_id, picked.tenant_id AS picked_tenant_id, picked.integration_id,
    c.*, j.job_name, t.name AS tenant, i.name AS integration, i.type AS integration_type, i.config,
    CASE WHEN j.checkpoint_data ? 'streams' THEN NULL ELSE j.checkpoint_data END AS legacy_checkpoint
FROM picked
INNER JOIN etl_jobs AS j ON picked.job_id = j.id
INNER JOIN tenants AS t ON picked.tenant_id = t.id
LEFT JOIN integrations AS i ON j.integration_id = i.id
LEFT JOIN claimed AS c ON picked.id = c.id;

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
