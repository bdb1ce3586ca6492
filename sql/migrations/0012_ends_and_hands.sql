-- programs: >=0.1
-- Which batch a worker had in hand when it was lost.

ALTER TABLE run_batches
    ADD COLUMN in_hand_since timestamptz;
COMMENT ON COLUMN run_batches.in_hand_since IS
    'After a loss batches are loaded one at a time: since when its holder works on this one. Lost meanwhile, it is charged.';
COMMENT ON COLUMN run_batches.attempts IS 'Workers lost while they had this batch in hand; at three it is SET_ASIDE.';

-- Claims.
-- What bars a place is found here from its causes, once a statement, however many runs or jobs are looked at: a claim
-- asks for thousands, and place_obstacle costs 0.15 ms each. That one tells people why, in words; a test holds that both
-- bar the same. A pause of all and the limit of all are not in these rows: `ready_runs` and claims look at them apart.
CREATE INDEX integrations_bound ON integrations (id) WHERE ready_at IS NOT NULL OR max_runs IS NOT NULL;
CREATE INDEX etl_jobs_due_of_tenant ON etl_jobs (tenant_id, due_at) WHERE due_at IS NOT NULL;

CREATE VIEW place_bars AS
SELECT i.id AS integration_id, 'paused' AS kind
FROM pauses AS p
INNER JOIN integrations AS i
    ON p.tenant_id = i.tenant_id AND (p.integration_id IS NULL OR p.integration_id = i.id)
UNION ALL
SELECT i.id, 'limited' FROM integrations AS i
WHERE (i.ready_at IS NOT NULL OR i.max_runs IS NOT NULL) AND i.ready_at > now()
UNION ALL
SELECT i.id, 'busy'
FROM job_runs AS r
INNER JOIN etl_jobs AS j ON r.job_id = j.id
INNER JOIN integrations AS i ON j.integration_id = i.id
WHERE r.state = 'RUNNING' AND i.max_runs IS NOT NULL
GROUP BY i.id
HAVING count(*) >= i.max_runs
UNION ALL
SELECT i.id, 'busy'
FROM (
    SELECT t.id
    FROM job_runs AS r INNER JOIN tenants AS t ON r.tenant_id = t.id
    WHERE r.state = 'RUNNING' AND t.max_runs IS NOT NULL
    GROUP BY t.id
    HAVING count(*) >= t.max_runs
) AS busy
INNER JOIN integrations AS i ON busy.id = i.tenant_id;
COMMENT ON VIEW place_bars IS 'Integrations on which nothing would start now, with the kind of each obstacle.';

CREATE VIEW blackouts AS
SELECT i.id AS integration_id, NULL::integer AS job_id
FROM (SELECT * FROM blackout_windows AS w WHERE w.job_id IS NULL AND window_end(w, now()) IS NOT NULL) AS w
INNER JOIN integrations AS i
    ON w.tenant_id = i.tenant_id AND (w.integration_id IS NULL OR w.integration_id = i.id)
UNION ALL
SELECT NULL, w.job_id FROM blackout_windows AS w WHERE w.job_id IS NOT NULL AND window_end(w, now()) IS NOT NULL;
COMMENT ON VIEW blackouts IS 'Integrations and jobs whose window holds now: it bars the schedule, no person.';

CREATE VIEW ready_runs AS
SELECT
    r.id, r.job_id, r.tenant_id, j.integration_id, r.trigger, r.ready_at,
    CASE
        WHEN EXISTS (SELECT FROM pauses AS p WHERE p.tenant_id IS NULL) THEN 'closed'
        WHEN j.integration_id IN (SELECT b.integration_id FROM place_bars AS b WHERE b.kind <> 'busy') THEN 'closed'
        WHEN r.trigger <> 'manual' AND (
            j.integration_id IN (SELECT b.integration_id FROM blackouts AS b WHERE b.integration_id IS NOT NULL)
            OR j.id IN (SELECT b.job_id FROM blackouts AS b WHERE b.job_id IS NOT NULL)
        ) THEN 'closed'
        WHEN j.integration_id IN (SELECT b.integration_id FROM place_bars AS b WHERE b.kind = 'busy') THEN 'busy'
        WHEN (
            SELECT CASE
                WHEN l.max_runs IS NOT NULL THEN l.max_runs <= (SELECT count(*) FROM job_runs AS o WHERE o.state = 'RUNNING')
            END
            FROM dispatch_limits AS l
        ) THEN 'busy'
        ELSE 'none'
    END AS bar
-- LEFT although every run has its job: else the planner counts the sets above anew for each run, and reads all jobs.
FROM job_runs AS r LEFT JOIN etl_jobs AS j ON r.job_id = j.id
WHERE r.state = 'QUEUED' AND r.ready_at <= now();
COMMENT ON COLUMN ready_runs.bar IS
    'none: it waits for a worker alone; closed: it is paused, blacked out or limited by the source; busy: by our limits.';
