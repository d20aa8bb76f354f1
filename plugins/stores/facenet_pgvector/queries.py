"""The statements of a gallery; {identities} and {embeddings} stand for its tables."""

# One statement creates or locks the identity, so two enrolments of one name come one by one.
LOCK = """
INSERT INTO {identities} AS held (name, name_digest, samples, vector_sum, metadata)
VALUES (%s, %s, 0, %s, %s)
ON CONFLICT (name_digest) DO UPDATE SET metadata = held.metadata || EXCLUDED.metadata
RETURNING id
"""
DESCRIBE = "UPDATE {identities} SET metadata = metadata || %s WHERE name_digest = %s"
HELD_KEYS = "SELECT key_digest FROM {embeddings} WHERE identity_id = %s AND key_digest = ANY(%s)"
ADD_SAMPLE = """
INSERT INTO {embeddings} (identity_id, embedding, key, key_digest) VALUES (%s, %s, %s, %s)
"""
ADD_TO_SUM = """
UPDATE {identities} SET vector_sum = vector_sum + %s, samples = samples + %s WHERE id = %s
RETURNING vector_norm(vector_sum)
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
