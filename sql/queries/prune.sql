-- What is old goes, in small steps. keep_days is a number of days; at_most rows a statement.

-- name: try_prune_turn()$
-- Whether it is our turn: one scheduler at a time.
SELECT pg_try_advisory_lock(hashtext('etl-tui prune'));

-- name: end_prune_turn()$
-- Lets the next one.
SELECT pg_advisory_unlock(hashtext('etl-tui prune'));

-- name: prune_runs(keep_days, at_most)$
-- Ended runs with their batches and logs; the newest 20 of each job stay, and so does its last success.
WITH gone AS (
    DELETE FROM job_runs
    WHERE id IN (
        SELECT r.id
        FROM job_runs AS r
        WHERE r.finished_at < now() - make_interval(secs => :keep_days * 86400)
            AND r.id NOT IN (
                SELECT n.id FROM job_runs AS n WHERE n.job_id = r.job_id ORDER BY n.id DESC LIMIT 20
            )
            AND r.id IS DISTINCT FROM (
                SELECT max(s.id) FROM job_runs AS s WHERE s.job_id = r.job_id AND s.state = 'SUCCEEDED'
            )
        ORDER BY r.id
        LIMIT :at_most
    )
    RETURNING id
)

SELECT count(*) FROM gone;

-- name: prune_events(keep_days, at_most)$
-- The audit is kept four times as long as runs; nothing else removes an event.
SELECT prune_audit(make_interval(secs => :keep_days * 4 * 86400), :at_most);

-- name: prune_logs(keep_days, at_most)$
-- Lines of runs that are kept for longer (the newest of their job): a log is kept as long as a run of any age. Runs that
-- are open keep theirs.
WITH gone AS (
    DELETE FROM run_logs
    WHERE id IN (
        SELECT l.id
        FROM run_logs AS l INNER JOIN job_runs AS r ON l.run_id = r.id
        WHERE l.at < now() - make_interval(secs => :keep_days * 86400)
            AND r.finished_at < now() - make_interval(secs => :keep_days * 86400)
        ORDER BY l.at
        LIMIT :at_most
    )
    RETURNING id
)

SELECT count(*) FROM gone;

-- name: prune_rejects(keep_days, at_most)$
-- Rejects that were not seen for so long.
WITH gone AS (
    DELETE FROM rejected_records
    WHERE id IN (
        SELECT id FROM rejected_records
        WHERE last_seen_at < now() - make_interval(secs => :keep_days * 86400)
        LIMIT :at_most
    )
    RETURNING id
)

SELECT count(*) FROM gone;

-- name: prune_processes(keep_days, at_most)$
-- Workers and schedulers that ended; runs and batches forget who held them.
WITH
gone_workers AS (
    DELETE FROM workers
    WHERE id IN (
        SELECT w.id FROM workers AS w
        WHERE coalesce(w.stopped_at, w.lost_at) < now() - make_interval(secs => least(:keep_days, 7) * 86400)
            AND NOT EXISTS (SELECT FROM job_runs AS r WHERE r.worker_id = w.id AND r.state = 'RUNNING')
        LIMIT :at_most
    )
    RETURNING id
),

gone_schedulers AS (
    DELETE FROM schedulers
    WHERE heartbeat_at < now() - make_interval(secs => least(:keep_days, 7) * 86400)
    RETURNING id
)

SELECT (SELECT count(*) FROM gone_workers) + (SELECT count(*) FROM gone_schedulers);

-- name: prune_budgets(keep_days, at_most)$
-- Budgets of credentials that nobody used for so long.
WITH gone AS (
    DELETE FROM credential_budgets
    WHERE (credential, resource) IN (
        SELECT c.credential, c.resource
        FROM credential_budgets AS c
        WHERE c.ends_at < now() - make_interval(secs => :keep_days * 86400)
        LIMIT :at_most
    )
    RETURNING resource
)

SELECT count(*) FROM gone;
