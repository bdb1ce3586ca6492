-- programs: >=0.1
-- Loading: what happens when a source has fields that its table has not.

ALTER TABLE integrations
    ADD COLUMN schema_mode text NOT NULL DEFAULT 'evolve' CHECK (schema_mode IN ('evolve', 'freeze', 'quarantine'));
COMMENT ON COLUMN integrations.schema_mode IS
    'New fields of a source: evolve widens its tables, freeze leaves the fields out, quarantine rejects their records.';

-- Full refreshes: what a walk has seen, so that what it has not is known when it is whole.
CREATE TABLE stream_walks (
    job_id integer NOT NULL REFERENCES etl_jobs (id) ON DELETE CASCADE,
    stream text NOT NULL,
    partition text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    resume jsonb,
    is_whole boolean NOT NULL,
    PRIMARY KEY (job_id, stream, partition)
);
COMMENT ON TABLE stream_walks IS
    'The walk through a partition of a stream that is read as a whole each time; gone when its deletions were done.';
COMMENT ON COLUMN stream_walks.resume IS
    'Where its last page left the checkpoint. When the next page finds another one there, pages are missing.';
COMMENT ON COLUMN stream_walks.is_whole IS 'Whether walk_keys has every key that it saw so far.';

CREATE TABLE walk_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id integer NOT NULL REFERENCES etl_jobs (id) ON DELETE CASCADE,
    stream text NOT NULL,
    partition text,
    hashes bigint []
);
COMMENT ON TABLE walk_keys IS
    'The keys of one page of a walk, 64 bits each: a row per page costs a tenth of the WAL of a row per key.';
COMMENT ON COLUMN walk_keys.hashes IS 'Null: it had records whose keys are not known.';
COMMENT ON COLUMN walk_keys.partition IS 'Null: a page without a checkpoint, or with that of several partitions.';
-- Hashes do not compress, and are only ever read as a whole.
ALTER TABLE walk_keys ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE INDEX walk_keys_of_stream ON walk_keys (job_id, stream, partition);

-- Destinations in another database.
ALTER TABLE integrations
    ADD COLUMN destination_url text CHECK (
        destination_url ~ '^(env:.|file:/.|postgres(ql)?://([^:@/]*@)?[^@]*$)' AND destination_url !~* 'password='
    );
COMMENT ON COLUMN integrations.destination_url IS
    'Another PostgreSQL that its rows go to: a reference (env:NAME, file:/path), or a URL without a password.';

CREATE TABLE installation (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only)
);
COMMENT ON TABLE installation IS 'What other databases know this one by: two that load into one place are told apart.';
INSERT INTO installation DEFAULT VALUES;
