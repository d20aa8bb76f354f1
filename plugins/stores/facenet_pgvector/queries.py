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
INSERT INTO {embeddings} (identity_id, embedding, weight, key, key_digest)
VALUES (%s, %s, %s, %s, %s)
"""
SETTLE = """
UPDATE {identities} SET
    vector_sum = vector_sum + %(sum)s,
    samples = samples + %(samples)s,
    centroid = coalesce(%(template)s::vector, l2_normalize(vector_sum + %(sum)s))
WHERE id = %(row)s
RETURNING vector_norm(vector_sum)
"""
SAMPLES = """
SELECT embedding, weight FROM {embeddings}
WHERE identity_id = (SELECT id FROM {identities} WHERE name_digest = %s) ORDER BY id
"""
NEAREST = """
SELECT name, 1 - distance, samples, metadata FROM (
    SELECT name, samples, metadata, centroid <=> %s AS distance
    FROM {identities} ORDER BY distance, name COLLATE "C" LIMIT %s
) AS nearest
WHERE 1 - distance >= %s ORDER BY distance, name COLLATE "C"
"""
GET = "SELECT name, samples, centroid, metadata FROM {identities} WHERE name_digest = %s"
ALL = 'SELECT name, samples, centroid, metadata FROM {identities} ORDER BY name COLLATE "C"'
FORGET = "DELETE FROM {identities} WHERE name_digest = %s RETURNING samples"
STATS = "SELECT count(*), coalesce(sum(samples), 0)::bigint FROM {identities}"
