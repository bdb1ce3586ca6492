-- programs: >=0.1
-- Loading: what happens when a source has fields that its table has not.

ALTER TABLE integrations
    ADD COLUMN schema_mode text NOT NULL DEFAULT 'evolve' CHECK (schema_mode IN ('evolve', 'freeze', 'quarantine'));
COMMENT ON COLUMN integrations.schema_mode IS
    'New fields of a source: evolve widens its tables, freeze leaves the fields out, quarantine rejects their records.';
