-- Which streams are vectorized has no place in the older schema: it refuses while there are any. The tables of vectors
-- stay where they are, beside the data.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND EXISTS (SELECT FROM vector_settings) THEN
        RAISE EXCEPTION 'the older schema cannot hold % settings of vectorizing: --discard gives them up',
            (SELECT count(*) FROM vector_settings);
    END IF;
END
$$;
DROP FUNCTION vector_search(text, text, real [], integer);
DROP FUNCTION vector_coverage(text, text);
DROP FUNCTION vectors_wanted(vectorized_tables);
DROP VIEW vectorized_tables;
DROP TABLE vector_ranges, vector_tables, vector_settings;
