-- How a due job becomes a run, and a run gets a worker. Every process may run these at any time, any number of
-- them at once: SKIP LOCKED divides the work, guards make each transition happen once.

-- name: claim_capacity(lost_after)$
-- How many jobs may be claimed now: twice the free slots of the workers that are alive, extract, and are not draining,
-- and as many as jobs finished within the last second, less the queued runs that could start; no more than the limit of
-- all leaves room for; 0 when there is no such worker. lost_after is a number of seconds.
-- The jobs of the last second are for runs of milliseconds: their slots are free again before anybody can claim, and
-- would stand idle while the next few are queued (measured: 1,500 runs in 12 lots instead of 180). So never more waits
-- than a second's work, and of long runs, which seldom end, nothing more than before.
SELECT
    CASE
        WHEN alive.workers > 0
            THEN greatest(
                0,
                least(
                    2 * alive.free_slots - queued.runs + barred.closed + barred.busy + (
                        SELECT count(*) FROM etl_jobs AS j
                        WHERE j.status = 'FINISHED' AND j.last_run_finished_at > now() - interval '1 second'
                    ),
                    l.max_runs - (SELECT count(*) FROM job_runs WHERE l.max_runs > 0 AND state = 'RUNNING')
                    - queued.runs + barred.closed
                )
            )::integer
        ELSE 0
    END
FROM dispatch_limits AS l
CROSS JOIN (
    SELECT count(*) AS workers, coalesce(sum(greatest(0, w.slots - held.runs)), 0) AS free_slots
    FROM workers AS w
    CROSS JOIN LATERAL (
        SELECT count(*) AS runs FROM job_runs AS r WHERE r.worker_id = w.id AND r.state = 'RUNNING'
    ) AS held
    WHERE w.stopped_at IS NULL AND w.lost_at IS NULL AND w.draining_by IS NULL
        AND w.heartbeat_at > now() - make_interval(secs => :lost_after) AND 'extract' = ANY(w.stages)
) AS alive
CROSS JOIN (SELECT count(*) AS runs FROM job_runs WHERE state = 'QUEUED' AND ready_at <= now()) AS queued
CROSS JOIN (
    SELECT count(*) FILTER (WHERE bar = 'closed') AS closed, count(*) FILTER (WHERE bar = 'busy') AS busy
    FROM ready_runs
    -- Mostly nothing bars anything: then the runs are only counted.
    WHERE EXISTS (SELECT FROM place_bars) OR EXISTS (SELECT FROM blackouts) OR EXISTS (SELECT FROM pauses)
        OR EXISTS (SELECT FROM dispatch_limits WHERE max_runs IS NOT NULL)
) AS barred;

-- name: claim_due(at_most)
-- Takes due jobs: RUNNING, with a QUEUED run each. Fair between tenants (each gets a turn before one gets two),
-- oldest due first within one; no more of an integration or tenant than its limit leaves room for; nothing of what
-- is paused, blacked out or limited by its source. A job with an open run is left alone: one contradictory row would
-- otherwise stop all dispatch (m). Limits are looked at here to spare vain claims; they bind when a worker claims.
-- What is parked, paused or blacked out takes no room: its neighbours go on.
-- Each tenant's due jobs are read in their order, those of an integration with a limit apart and no further than its
-- room: neither the number of integrations counts nor that of all due.
-- Four things keep its plan when statistics are older than an outage (100 ms and more a claim otherwise, measured):
-- open runs are NOT IN, read once, not sought for each due job; the best are an array, sought by their key;
-- `(SELECT now())` hides from the planner how few were due when it last looked; and due_at is compared in UTC, as in the
-- two indexes made for this, or the planner may read all that is due for each tenant.
WITH open_runs AS MATERIALIZED (
    SELECT j.integration_id, r.tenant_id
    FROM job_runs AS r INNER JOIN etl_jobs AS j ON r.job_id = j.id
    WHERE r.state = 'RUNNING'
    UNION ALL
    SELECT q.integration_id, q.tenant_id FROM ready_runs AS q
    WHERE q.bar <> 'closed'
),

closed AS MATERIALIZED (
    SELECT integration_id FROM place_bars WHERE kind <> 'busy'
    UNION ALL
    SELECT integration_id FROM blackouts WHERE integration_id IS NOT NULL
),

rooms AS MATERIALIZED (
    SELECT
        i.id AS integration_id, i.tenant_id,
        i.max_runs - (SELECT count(*) FROM open_runs AS o WHERE o.integration_id = i.id) AS room
    FROM integrations AS i
    WHERE (i.ready_at IS NOT NULL OR i.max_runs IS NOT NULL) AND i.max_runs IS NOT NULL
        AND i.id NOT IN (SELECT c.integration_id FROM closed AS c)
),

tenant_rooms AS MATERIALIZED (
    SELECT
        t.id,
        least(
            :at_most, t.max_runs - (SELECT count(*) FROM open_runs AS o WHERE t.max_runs > 0 AND o.tenant_id = t.id)
        ) AS room
    FROM tenants AS t
    WHERE NOT EXISTS (
        SELECT FROM pauses AS p WHERE p.integration_id IS NULL AND (p.tenant_id IS NULL OR p.tenant_id = t.id)
    )
),

best AS MATERIALIZED (
    SELECT d.id
    FROM tenant_rooms AS t
    CROSS JOIN LATERAL (
        SELECT e.id, e.due_at, row_number() OVER (ORDER BY e.due_at, e.id) AS turn
        FROM (
            (
                SELECT j.id, j.due_at AT TIME ZONE 'UTC' AS due_at
                FROM etl_jobs AS j
                WHERE j.tenant_id = t.id AND j.due_at IS NOT NULL
                    AND j.due_at AT TIME ZONE 'UTC' <= (SELECT now() AT TIME ZONE 'UTC')
                    AND j.integration_id NOT IN (
                        SELECT r.integration_id FROM rooms AS r UNION ALL SELECT c.integration_id FROM closed AS c
                    )
                    AND j.id NOT IN (SELECT b.job_id FROM blackouts AS b WHERE b.job_id IS NOT NULL)
                    AND j.id NOT IN (SELECT o.job_id FROM job_runs AS o WHERE o.state IN ('QUEUED', 'RUNNING'))
                ORDER BY j.due_at AT TIME ZONE 'UTC'
                LIMIT greatest(0, t.room)
            )
            UNION ALL
            SELECT l.id, l.due_at
            FROM rooms AS r
            CROSS JOIN LATERAL (
                SELECT j.id, j.due_at AT TIME ZONE 'UTC' AS due_at
                FROM etl_jobs AS j
                WHERE j.integration_id = r.integration_id AND j.due_at IS NOT NULL
                    AND j.due_at AT TIME ZONE 'UTC' <= (SELECT now() AT TIME ZONE 'UTC')
                    AND j.id NOT IN (SELECT b.job_id FROM blackouts AS b WHERE b.job_id IS NOT NULL)
                    AND j.id NOT IN (SELECT o.job_id FROM job_runs AS o WHERE o.state IN ('QUEUED', 'RUNNING'))
                ORDER BY j.due_at AT TIME ZONE 'UTC'
                LIMIT greatest(0, least(r.room, t.room))
            ) AS l
            WHERE r.tenant_id = t.id
        ) AS e
        ORDER BY e.due_at, e.id
        LIMIT greatest(0, t.room)
    ) AS d
    ORDER BY d.turn, d.due_at, d.id
    LIMIT :at_most
),

chosen AS (
    SELECT j.id, j.tenant_id, j.status, j.checkpoint_version
    FROM etl_jobs AS j
    WHERE j.id = ANY(ARRAY(SELECT b.id FROM best AS b))
        AND j.due_at <= (SELECT now())
    FOR NO KEY UPDATE OF j SKIP LOCKED
),

started AS (
    UPDATE etl_jobs AS j
    SET status = 'RUNNING', last_run_started_at = now(), error_message = NULL, error_kind = NULL
    FROM chosen
    WHERE j.id = chosen.id
)

INSERT INTO job_runs (job_id, tenant_id, trigger, checkpoint_before)
SELECT id, tenant_id, CASE status WHEN 'FAILED' THEN 'retry' ELSE 'schedule' END, checkpoint_version FROM chosen
RETURNING id, job_id;

-- name: seconds_to_next_due()$
-- Seconds until the next job falls due that is not due yet; null when there is none.
SELECT extract(EPOCH FROM min(due_at) - now())::float FROM etl_jobs WHERE due_at > now();

-- name: count_rings(new_runs)$
-- How many rings wake whoever can take new_runs more runs (null: all that are ready), no worker twice: one for each
-- run, one for each worker that has no room or takes none and may get a ring all the same, at most one for each. Rings
-- go round from worker to worker; a woken one claims until it is full or nothing is ready. 0 when nothing is ready.
SELECT CASE WHEN ready.runs > 0 THEN least(alive.workers, ready.runs + alive.deaf)::integer ELSE 0 END
FROM (
    SELECT
        coalesce(
            :new_runs::bigint, (SELECT count(*) FROM job_runs AS q WHERE q.state = 'QUEUED' AND q.ready_at <= now())
        ) AS runs
) AS ready
CROSS JOIN (
    SELECT
        count(*) AS workers,
        count(*) FILTER (
            WHERE w.draining_by IS NOT NULL
                OR w.slots <= (SELECT count(*) FROM job_runs AS r WHERE r.worker_id = w.id AND r.state = 'RUNNING')
        ) AS deaf
    FROM workers AS w
    WHERE w.stopped_at IS NULL AND w.lost_at IS NULL AND 'extract' = ANY(w.stages)
) AS alive;

-- name: take_runs(worker_id, at_most, run_id)
-- The best runs that could start, up to at_most: a person's first, then those that wait longest. Given to the worker at
-- once, their leases raised, unless limits bind them: then only is_limited says so, for two claims at once both pass a
-- count (m). With a run_id that run alone, limited or not: whoever gives it has locked its limits, in a statement before,
-- so that this one sees what others committed. What another claim has in hand is skipped. A worker that is to drain, or
-- was taken for lost, gets none. NOT IN, for the planner believes that few are `= 'none'` and would sort all that wait.
WITH picked AS MATERIALIZED (
    SELECT
        r.id, q.job_id, q.tenant_id, q.integration_id, q.by_schedule, q.ready_at,
        (i.max_runs IS NOT NULL OR t.max_runs IS NOT NULL OR (SELECT l.max_runs IS NOT NULL FROM dispatch_limits AS l))
        AND :run_id::bigint IS NULL AS is_limited
    FROM ready_runs AS q
    INNER JOIN job_runs AS r ON q.id = r.id
    INNER JOIN tenants AS t ON q.tenant_id = t.id
    LEFT JOIN integrations AS i ON q.integration_id = i.id
    WHERE q.bar NOT IN ('closed', 'busy') AND r.state = 'QUEUED' AND (:run_id::bigint IS NULL OR q.id = :run_id)
        AND EXISTS (
            SELECT FROM workers AS w
            WHERE w.id = :worker_id AND w.draining_by IS NULL AND w.lost_at IS NULL AND w.stopped_at IS NULL
        )
    ORDER BY q.by_schedule, q.ready_at, q.id
    LIMIT :at_most
    FOR NO KEY UPDATE OF r SKIP LOCKED
),

claimed AS (
    UPDATE job_runs AS r
    SET state = 'RUNNING', lease = r.lease + 1, worker_id = :worker_id, wait_reason = NULL,
        started_at = coalesce(r.started_at, now())
    FROM picked
    WHERE r.id = picked.id AND NOT picked.is_limited
    RETURNING r.id, r.job_id, r.tenant_id, r.lease, r.worker_id, r.losses, r.extract_done, r.options, r.trigger
)

SELECT
    picked.is_limited, picked.id AS picked_id, picked.integration_id,
    c.*, j.job_name, t.name AS tenant, i.name AS integration, i.type AS integration_type, i.config,
    CASE WHEN j.checkpoint_data ? 'streams' THEN NULL ELSE j.checkpoint_data END AS legacy_checkpoint,
    (SELECT count(*) FROM destination_tables AS d WHERE d.job_id = c.job_id) AS tables,
    CASE
        WHEN c.lease = 1 THEN (
            SELECT CASE WHEN count(*) <= 20 THEN coalesce(jsonb_agg(to_jsonb(f)), '[]') END
            FROM (
                SELECT s.stream, s.partition, s.bookmark, s.resume, s.schema_version
                FROM job_checkpoints AS s WHERE s.job_id = c.job_id
                LIMIT 21
            ) AS f
        )
    END AS checkpoint
FROM picked
INNER JOIN etl_jobs AS j ON picked.job_id = j.id
INNER JOIN tenants AS t ON picked.tenant_id = t.id
LEFT JOIN integrations AS i ON j.integration_id = i.id
LEFT JOIN claimed AS c ON picked.id = c.id
ORDER BY picked.by_schedule, picked.ready_at, picked.id;

-- name: lock_limits(run_id)$
-- Holds a queued run that nobody else has in hand, and then the rows whose limits bind it, always in this order: all,
-- tenant, integration. True when it is held; null: another claim has it.
WITH run AS MATERIALIZED (
    SELECT r.tenant_id, r.job_id FROM job_runs AS r
    WHERE r.id = :run_id AND r.state = 'QUEUED'
    FOR NO KEY UPDATE SKIP LOCKED
),

everything AS MATERIALIZED (
    SELECT l.only_row FROM dispatch_limits AS l
    WHERE l.max_runs IS NOT NULL AND EXISTS (SELECT FROM run)
    FOR NO KEY UPDATE
),

tenant AS MATERIALIZED (
    SELECT t.id FROM tenants AS t
    WHERE t.id = (SELECT run.tenant_id FROM run) AND t.max_runs IS NOT NULL AND (SELECT count(*) FROM everything) >= 0
    FOR NO KEY UPDATE
),

integration AS MATERIALIZED (
    SELECT i.id FROM integrations AS i
    WHERE i.id = (SELECT j.integration_id FROM etl_jobs AS j INNER JOIN run ON j.id = run.job_id)
        AND i.max_runs IS NOT NULL AND (SELECT count(*) FROM tenant) >= 0
    FOR NO KEY UPDATE
)

SELECT true FROM run WHERE (SELECT count(*) FROM integration) >= 0;

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
