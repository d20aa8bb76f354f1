"""The tables of a gallery: their creation, and what they are bound to."""

from __future__ import annotations

from dataclasses import replace

from psycopg import errors

from facenet.errors import StoreError
from facenet_pgvector.connections import PatientConnection
from facenet_pgvector.tables import Gallery, Tables, composed, exists

SCHEMA_VERSION = 5
OLDEST_PGVECTOR = (0, 8)
COUNTS = "SELECT count(*), coalesce(sum(samples), 0)::bigint FROM {identities}"
"""Of identities and of samples, as these say."""
SETUP_LOCK = 0x666163656E6574
"""Key of the advisory lock that is held while a gallery is created; 'facenet' in ASCII."""

# Uniqueness is by SHA-256, because a B-tree cannot hold a text of 10,000 characters. The centroid
# stays inside its row (STORAGE MAIN): exact search was five times faster than through TOAST. A crop
# lies outside of its row, where nothing else passes it, and as it is: PNG files do not compress.
_CREATE = """
CREATE TABLE {identities} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    name_digest bytea NOT NULL UNIQUE,
    samples bigint NOT NULL,
    vector_sum vector({dim}) NOT NULL,
    centroid vector({dim}) NOT NULL,
    metadata jsonb NOT NULL
);
ALTER TABLE {identities} ALTER COLUMN centroid SET STORAGE MAIN;
CREATE TABLE {embeddings} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity_id bigint NOT NULL REFERENCES {identities} ON DELETE CASCADE,
    embedding vector({dim}) NOT NULL,
    key text,
    key_digest bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    weight real NOT NULL DEFAULT 1,
    crop bytea,
    UNIQUE (identity_id, key_digest)
);
ALTER TABLE {embeddings} ALTER COLUMN crop SET STORAGE EXTERNAL;
CREATE TABLE {meta} (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    schema_version integer NOT NULL,
    identity_table text NOT NULL,
    embedding_dim integer NOT NULL,
    space text NOT NULL,
    state text NOT NULL DEFAULT 'current'
);
"""
# What tells an index elsewhere what is new: each identity has the transaction that changed it last,
# and the numbers of those that were forgotten stay. Triggers see to it, whoever makes the change.
_JOURNAL = """
ALTER TABLE {identities} ADD COLUMN changed xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX ON {identities} (changed);
CREATE INDEX ON {identities} USING gin (metadata jsonb_path_ops);
CREATE TABLE {forgotten} (identity_id bigint NOT NULL, changed xid8 NOT NULL);
CREATE INDEX ON {forgotten} (changed);
"""
# What was done to the gallery, by the numbers of identities and samples: names and metadata are in
# `undo` alone, as far as taking something back needs them, and go when the identity is forgotten.
_LOG = """
CREATE TABLE IF NOT EXISTS {log} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    identity_id bigint,
    other_id bigint,
    samples bigint NOT NULL,
    undoes bigint
);
CREATE TABLE IF NOT EXISTS {undo} (
    log_id bigint PRIMARY KEY,
    identity_id bigint NOT NULL,
    other_id bigint,
    state jsonb NOT NULL
);
"""
_TRIGGERS = {
    "note_change": """
CREATE OR REPLACE FUNCTION {note_change}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.changed := pg_current_xact_id(); RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER note_change BEFORE INSERT OR UPDATE ON {identities}
    FOR EACH ROW EXECUTE FUNCTION {note_change}();
""",
    "note_end": """
CREATE OR REPLACE FUNCTION {note_end}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.{forgotten} VALUES ($1, pg_current_xact_id())', TG_TABLE_SCHEMA)
    USING OLD.id;
    RETURN OLD;
END $$;
CREATE OR REPLACE TRIGGER note_end AFTER DELETE ON {identities}
    FOR EACH ROW EXECUTE FUNCTION {note_end}();
""",
    "keep_log": """
CREATE OR REPLACE FUNCTION {keep_log}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the log of a gallery is only ever added to'; END $$;
CREATE OR REPLACE TRIGGER keep_log BEFORE UPDATE OR DELETE OR TRUNCATE ON {log}
    FOR EACH STATEMENT EXECUTE FUNCTION {keep_log}();
""",
}
_THEIR_TRIGGERS = """
SELECT tgname FROM pg_trigger WHERE tgrelid IN ('{identities}'::regclass, '{log}'::regclass)
"""
# A dump that was restored in another server may hold transactions that are yet to come there.
_CHANGED_IN_FUTURE = """
SELECT id FROM {identities} WHERE changed >= pg_snapshot_xmax(pg_current_snapshot())
"""

# From a version to the next. A facenet for version 1 that is still running then fails, since it
# gives no centroid, and leaves none that is out of date; one for version 2 enrols without crops;
# what one for version 3 changes is noted too.
_UPGRADES = {
    1: """
ALTER TABLE {identities} ALTER COLUMN centroid DROP EXPRESSION;
ALTER TABLE {identities} ALTER COLUMN centroid SET NOT NULL;
ALTER TABLE {embeddings} ADD COLUMN weight real NOT NULL DEFAULT 1;
""",
    2: """
ALTER TABLE {embeddings} ADD COLUMN crop bytea;
ALTER TABLE {embeddings} ALTER COLUMN crop SET STORAGE EXTERNAL;
""",
    3: _JOURNAL,
    4: _LOG + "ALTER TABLE {meta} ADD COLUMN state text NOT NULL DEFAULT 'current';",
}


def open_gallery(connection: PatientConnection, tables: Tables, dim: int, space: str) -> Gallery:
    """Create a gallery, or check that the one there has this dimension and space.

    A gallery of an older version is brought to this one. Returns its current collection. Raises
    `StoreError`.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [SETUP_LOCK])
        ensure_extension(connection)
        gallery = Gallery(connection, current(connection, tables), dim)
        if gallery.exists:
            _upgrade(gallery, _check_binding(gallery, space))
        else:
            create(gallery, space)
        watch(gallery)
    return gallery


def current(connection: PatientConnection, tables: Tables) -> Tables:
    """The tables of a gallery's current collection; where it has none, of its first."""
    first = replace(tables, second=False)
    if not exists(connection, first.twin.meta):
        return first
    query = "SELECT FROM {meta} WHERE state = 'current'"
    return first.twin if connection.execute(composed(first.twin, query)).rowcount else first


def watch(gallery: Gallery) -> None:
    """Let the triggers be there, which a dump of the tables alone does not hold, and all changes in
    the past."""
    found = {name for (name,) in gallery.execute(_THEIR_TRIGGERS)}
    for name in _TRIGGERS.keys() - found:
        gallery.execute(_TRIGGERS[name])
    future = [row for (row,) in gallery.execute(_CHANGED_IN_FUTURE)]
    if future:
        touch = "UPDATE {identities} SET changed = DEFAULT WHERE id = ANY(%s)"
        gallery.execute(touch, [future])


def ensure_extension(connection: PatientConnection) -> None:
    """Enable pgvector in the database, where it is not.

    Raises `StoreError` where the server has none, or one that is too old.
    """
    _, version = versions(connection)
    if version is None:
        try:
            connection.execute("CREATE EXTENSION vector")
        except (errors.FeatureNotSupported, errors.UndefinedFile) as error:
            raise StoreError(
                "the PostgreSQL server has no pgvector: install 0.8 or newer there"
            ) from error
        except errors.InsufficientPrivilege as error:
            raise StoreError(
                "this user may not enable pgvector: let an administrator run "
                "'CREATE EXTENSION vector' in the database"
            ) from error
        _, version = versions(connection)
    if tuple(int(part) for part in (version or "0").split(".")[:2]) < OLDEST_PGVECTOR:
        raise StoreError(
            f"the database has pgvector {version}, but 0.8 or newer is needed: install it on the "
            "server and run 'ALTER EXTENSION vector UPDATE' in the database"
        )


def versions(connection: PatientConnection) -> tuple[str, str | None]:
    """Of PostgreSQL, and of pgvector where the database has it."""
    server = (connection.info.parameter_status("server_version") or "?").split()[0]
    query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    extension = connection.execute(query).fetchone()
    return server, extension[0] if extension else None


def create(gallery: Gallery, space: str, state: str = "current") -> None:
    tables = gallery.tables
    try:
        gallery.execute(_CREATE + _JOURNAL + _LOG)
    except errors.DuplicateTable as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"cannot create the gallery {tables.embeddings!r}: {reason}") from error
    gallery.execute(
        "INSERT INTO {meta} (schema_version, identity_table, embedding_dim, space, state)"
        " VALUES (%s, %s, %s, %s, %s)",
        [SCHEMA_VERSION, tables.identities, gallery.dim, space, state],
    )


def _check_binding(gallery: Gallery, space: str) -> int:
    """The schema version of a gallery that is ours to use; raises `StoreError` otherwise."""
    query = "SELECT schema_version, identity_table, embedding_dim, space FROM {meta}"
    row, tables = gallery.execute(query).fetchone(), gallery.tables
    name = f"gallery {tables.table!r}"
    if row is None:
        raise StoreError(f"{name} is damaged: its table {tables.meta!r} is empty")
    version, identities, its_dim, its_space = row
    if version != SCHEMA_VERSION and version not in _UPGRADES:
        raise StoreError(
            f"{name} has schema version {version}, but this facenet reads {SCHEMA_VERSION}"
        )
    if identities != tables.identities:
        raise StoreError(
            f"{name} keeps its identities in {identities!r}, not in {tables.identities!r}"
        )
    if (its_dim, its_space) != (gallery.dim, space):
        raise StoreError(
            f"{name} is bound to embedding space {its_space!r} of dimension {its_dim}; "
            f"the model gives {space!r} of dimension {gallery.dim}: use that model, or another "
            "table, or 'facenet store migrate'; a bundle's config.json says its space"
        )
    return int(version)


def _upgrade(gallery: Gallery, version: int) -> None:
    for older in range(version, SCHEMA_VERSION):
        gallery.execute(_UPGRADES[older])
        gallery.execute("UPDATE {meta} SET schema_version = %s", [older + 1])
