-- programs: >=0.1
-- Large checkpoints: a document is put together as text and read once, in two thirds of the time (measured with 20,000
-- partitions); and a version compares the rows themselves with the document before.

-- The streams of the rows as they are now, as text, with the digits of their numbers; null when there are none.
CREATE FUNCTION checkpoint_text(of_job integer) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT '{' || string_agg(to_json(by_stream.stream)::text || ':{' || by_stream.partitions || '}', ',') || '}'
    FROM (
        SELECT
            c.stream,
            string_agg(
                to_json(c.partition)::text || ':{' || concat_ws(
                    ',',
                    '"bookmark":' || c.bookmark::text,
                    '"resume":' || c.resume::text,
                    CASE WHEN c.schema_version <> 1 THEN '"schema_version":' || c.schema_version END
                ) || '}',
                ','
            ) AS partitions
        FROM job_checkpoints AS c
        WHERE c.job_id = of_job
        GROUP BY c.stream
    ) AS by_stream
$$;

CREATE OR REPLACE FUNCTION checkpoint_streams(of_job integer) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT checkpoint_text(of_job)::jsonb
$$;

-- A row of job_checkpoints as it stands in a document.
CREATE FUNCTION checkpoint_state(c job_checkpoints) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    -- Not jsonb_strip_nulls: it would take the nulls out of the values, too.
    SELECT CASE WHEN c.bookmark IS NULL THEN '{}' ELSE jsonb_build_object('bookmark', c.bookmark) END
        || CASE WHEN c.resume IS NULL THEN '{}' ELSE jsonb_build_object('resume', c.resume) END
        || CASE WHEN c.schema_version = 1 THEN '{}' ELSE jsonb_build_object('schema_version', c.schema_version) END
$$;

-- As in 0021.
CREATE OR REPLACE FUNCTION cut_checkpoint(
    of_job integer, by_source text, by_actor text, because text, of_run bigint, before_document jsonb
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    now_version integer := (SELECT checkpoint_version FROM etl_jobs WHERE id = of_job);
    streams constant jsonb := checkpoint_streams(of_job);
    was_legacy constant boolean := before_document IS NOT NULL AND NOT before_document ? 'streams';
    moved record;
    weight bigint;
    whole_now jsonb;
BEGIN
    IF streams IS NULL AND by_source = 'run' AND (before_document IS NULL OR was_legacy) THEN
        RETURN now_version;
    END IF;

    WITH
    old_rows AS (
        SELECT s.key AS stream, p.key AS partition, p.value AS state
        FROM jsonb_each(coalesce(before_document -> 'streams', '{}')) AS s
        CROSS JOIN LATERAL jsonb_each(s.value) AS p
    ),
    differing AS (
        SELECT
            coalesce(o.stream, c.stream) AS stream, coalesce(o.partition, c.partition) AS partition,
            o.stream IS NULL AS is_new, c.stream IS NULL AS is_gone,
            CASE WHEN c.stream IS NOT NULL THEN checkpoint_state(c) END AS state
        FROM old_rows AS o
        FULL JOIN (SELECT * FROM job_checkpoints AS r WHERE r.job_id = of_job) AS c
            ON o.stream = c.stream AND o.partition = c.partition
        WHERE o.stream IS NULL OR c.stream IS NULL
            OR o.state -> 'bookmark' IS DISTINCT FROM c.bookmark
            OR o.state -> 'resume' IS DISTINCT FROM c.resume
            OR coalesce((o.state ->> 'schema_version')::integer, 1) <> c.schema_version
    )
    SELECT
        jsonb_agg(
            jsonb_build_object('stream', stream, 'partition', partition)
            || CASE WHEN is_gone THEN '{"gone": true}' ELSE state END
            ORDER BY stream, partition
        ) AS changes,
        count(*) FILTER (WHERE is_new) AS rows_new,
        count(*) FILTER (WHERE NOT is_new AND NOT is_gone) AS rows_changed,
        count(*) FILTER (WHERE is_gone) AS rows_gone,
        to_jsonb((array_agg(jsonb_build_array(stream, partition) ORDER BY stream, partition))[1:5]) AS touched
    INTO moved
    FROM differing;

    IF moved.changes IS NULL AND was_legacy THEN
        moved.changes := '[{"document": null}]';
        moved.rows_gone := 1;
        moved.touched := '[]';
    END IF;
    IF moved.changes IS NOT NULL THEN
        weight := pg_column_size(moved.changes) + coalesce((
            SELECT coalesce(h.bytes_behind, 1::bigint << 40) -- an older program did not count: whole at once
            FROM job_checkpoint_history AS h WHERE h.job_id = of_job ORDER BY h.version DESC LIMIT 1
        ), 0);
        IF weight > greatest(2 * coalesce(pg_column_size(streams), 0), 16384) THEN
            weight := 0;
            SELECT coalesce(
                jsonb_agg(
                    jsonb_build_object('stream', c.stream, 'partition', c.partition) || checkpoint_state(c)
                    ORDER BY c.stream, c.partition
                ), '[]'
            )
            INTO whole_now
            FROM job_checkpoints AS c
            WHERE c.job_id = of_job;
        END IF;
        now_version := now_version + 1;
        INSERT INTO job_checkpoint_history (
            job_id, version, source, run_id, actor, reason, changes,
            rows_new, rows_changed, rows_gone, touched, bytes_behind, whole
        )
        VALUES (
            of_job, now_version, by_source, of_run, by_actor, because, moved.changes,
            moved.rows_new, moved.rows_changed, moved.rows_gone, moved.touched, weight, whole_now
        );
    END IF;

    -- Ours: the trigger takes every other write of the document over as an edit by hand.
    PERFORM set_config('etl.checkpoint_writer', 'on', true);
    UPDATE etl_jobs
    SET checkpoint_version = now_version,
        checkpoint_data = CASE
            WHEN streams IS NOT NULL THEN jsonb_build_object('version', now_version, 'streams', streams)
        END
    WHERE id = of_job;
    PERFORM set_config('etl.checkpoint_writer', 'off', true);
    RETURN now_version;
END
$$;
