"""The statements of a gallery; {identities} and {embeddings} stand for its tables."""

# One statement creates or locks the identity, so two enrolments of one name come one by one.
LOCK = """
INSERT INTO {identities} AS held (name, name_digest, samples, vector_sum, centroid, metadata)
VALUES (%(name)s, %(digest)s, 0, %(zero)s, %(zero)s, %(metadata)s)
ON CONFLICT (name_digest) DO UPDATE SET metadata = held.metadata || EXCLUDED.metadata
RETURNING id
"""
DESCRIBE = """
UPDATE {identities} SET metadata = metadata || %(metadata)s WHERE name_digest = %(digest)s
RETURNING id
"""
HELD_KEYS = "SELECT key_digest FROM {embeddings} WHERE identity_id = %s AND key_digest = ANY(%s)"
ADD_SAMPLE = """
INSERT INTO {embeddings} (identity_id, embedding, weight, crop, key, key_digest)
VALUES (%s, %s, %s, %s, %s, %s)
"""
SETTLE = """
WITH noted AS (
    INSERT INTO {log} (action, identity_id, samples)
    SELECT 'enrol', %(row)s, %(samples)s::bigint WHERE %(samples)s::bigint > 0
)
UPDATE {identities} SET
    vector_sum = vector_sum + %(sum)s,
    samples = samples + %(samples)s,
    centroid = coalesce(%(template)s::vector, l2_normalize(vector_sum + %(sum)s))
WHERE id = %(row)s
RETURNING vector_norm(vector_sum)
"""
# The same for many. `WHERE false` locks a row that is there and writes nothing to it.
LOCK_ALL = """
INSERT INTO {identities} AS held (name, name_digest, samples, vector_sum, centroid, metadata)
SELECT given.name, given.digest, 0, %(zero)s, %(zero)s, '{{}}'
FROM unnest(%(names)s::text[], %(digests)s::bytea[]) WITH ORDINALITY AS given(name, digest, place)
ORDER BY place
ON CONFLICT (name_digest) DO UPDATE SET name = held.name WHERE false
"""
LOCKED = "SELECT name_digest, id, samples FROM {identities} WHERE name_digest = ANY(%(digests)s)"
ALL_HELD_KEYS = """
SELECT identity_id, key_digest FROM {embeddings}
JOIN unnest(%s::bigint[], %s::bytea[]) AS given(row, key)
ON identity_id = given.row AND key_digest = given.key
"""
ADD_SAMPLES = """
COPY {embeddings} (identity_id, embedding, weight, crop, key, key_digest) FROM STDIN (FORMAT binary)
"""
DROP = "DELETE FROM {identities} WHERE id = ANY(%s)"
SETTLE_ALL = """
WITH noted AS (
    INSERT INTO {log} (action, identity_id, samples)
    SELECT 'enrol', row, samples
    FROM unnest(%(rows)s::bigint[], %(samples)s::bigint[]) AS given(row, samples) WHERE samples > 0
)
UPDATE {identities} AS held SET
    vector_sum = held.vector_sum + given.total,
    samples = held.samples + given.samples,
    centroid = coalesce(given.template, l2_normalize(held.vector_sum + given.total)),
    metadata = held.metadata || given.metadata
FROM unnest(
    %(rows)s::bigint[], %(samples)s::bigint[], %(sums)b::vector[], %(templates)b::vector[],
    %(metadata)s::jsonb[]
) AS given(row, samples, total, template, metadata)
WHERE held.id = given.row
RETURNING held.id, vector_norm(held.vector_sum)
"""
SAMPLES_OF = """
SELECT identity_id, embedding, weight FROM {embeddings}
WHERE identity_id = ANY(%s) ORDER BY identity_id, id
"""
HOLDS = """
SELECT key_digest IS NOT NULL
FROM unnest(%s::bytea[], %s::bytea[]) WITH ORDINALITY AS given(digest, key, place)
LEFT JOIN {identities} AS held ON held.name_digest = given.digest
LEFT JOIN {embeddings} ON identity_id = held.id AND key_digest = given.key
ORDER BY place
"""
SAMPLES = """
SELECT embedding, weight FROM {embeddings}
WHERE identity_id = (SELECT id FROM {identities} WHERE name_digest = %s) ORDER BY id
"""
CROPS = """
SELECT crop FROM {embeddings}
WHERE identity_id = (SELECT id FROM {identities} WHERE name_digest = %s) ORDER BY id
"""
NEAREST = """
SELECT name, 1 - distance, samples, metadata FROM (
    SELECT name, samples, metadata, centroid <=> %(probe)s AS distance
    FROM {identities} ORDER BY distance, name COLLATE "C" LIMIT %(count)s
) AS nearest
WHERE 1 - distance >= %(least)s ORDER BY distance, name COLLATE "C"
"""
NEAREST_AMONG = NEAREST.replace(
    "FROM {identities}", "FROM {identities} WHERE metadata @> %(where)s"
)
# By the index, which may be of rounded numbers, more than are asked for; of these the best.
NEAREST_INDEXED = """
SELECT name, 1 - distance, samples, metadata FROM (
    SELECT name, samples, metadata, centroid <=> %(probe)s AS distance FROM (
        SELECT name, samples, metadata, centroid FROM {identities}
        ORDER BY {indexed} <=> %(probe)s::vector::{kind} LIMIT %(fetched)s
    ) AS near
    ORDER BY distance, name COLLATE "C" LIMIT %(count)s
) AS nearest
WHERE 1 - distance >= %(least)s ORDER BY distance, name COLLATE "C"
"""
HAS_INDEX = """
SELECT
    EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{hnsw}') AND indisvalid),
    (SELECT count(*) FROM (SELECT FROM {identities} LIMIT %(few)s) AS first) = %(few)s
"""
LOCK_INDEX = "SELECT pg_try_advisory_lock(hashtext('facenet index'), hashtext('{hnsw}'))"
# One that was left half made is of no use.
DROP_INDEX = "DROP INDEX CONCURRENTLY IF EXISTS {hnsw}"
MAKE_INDEX = """
CREATE INDEX CONCURRENTLY {hnsw} ON {identities} USING hnsw ({indexed} {kind}_cosine_ops)
"""
GET = "SELECT name, samples, centroid, metadata FROM {identities} WHERE name_digest = %s"
PAGE = """
SELECT name, samples, centroid, metadata FROM {identities}
WHERE name COLLATE "C" > %(after)s OR %(after)s::text IS NULL
ORDER BY name COLLATE "C" LIMIT %(limit)s
"""
# Also what could be taken back of it, under this name or another.
FORGET = """
WITH gone AS (
    DELETE FROM {identities} WHERE name_digest = %(digest)s RETURNING id, samples
), noted AS (
    INSERT INTO {log} (action, identity_id, samples) SELECT 'forget', id, samples FROM gone
), cleared AS (
    DELETE FROM {undo} WHERE sha256(convert_to(state ->> 'name', 'UTF8')) = %(digest)s
        OR identity_id IN (SELECT id FROM gone) OR other_id IN (SELECT id FROM gone)
)
SELECT id, samples FROM gone
"""
STATS = "SELECT count(*), coalesce(sum(samples), 0)::bigint FROM {identities}"
COUNT = "SELECT count(*) FROM {identities}"
TEMPLATES = "SELECT id, centroid, name, samples, metadata::text FROM {identities}"
# What a search asks before it trusts the templates in memory: what was changed by transactions that
# may not have been seen at the former time. After a restart, and when the table was made anew or
# emptied, all is void.
OLDEST_UNSEEN = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"
CHANGES = """
SELECT
    pg_postmaster_start_time() || ' ' || pg_relation_filenode('{identities}'),
    pg_snapshot_xmin(pg_current_snapshot())::text,
    array_to_string(
        ARRAY(SELECT id || ' ' || changed FROM {identities} WHERE changed >= $1::text::xid8), ','
    ),
    array_to_string(
        ARRAY(SELECT identity_id FROM {forgotten} WHERE changed >= $1::text::xid8), ','
    )
"""
