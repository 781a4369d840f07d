-- Times of leases are the database's own, so that no replica's clock matters.

CREATE SCHEMA hallpass;

CREATE TABLE hallpass.schema_version (
  version int PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
);

-- Generations of all credentials. A number is never used twice, so an erased credential leaves nothing behind.
CREATE SEQUENCE hallpass.generation AS bigint;

-- One key in use for each tenant, wrapped by a key that is not in the database.
CREATE TABLE hallpass.data_key (
  id bytea PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  wrapping_key text COLLATE "C" NOT NULL,
  algorithm smallint NOT NULL,
  wrapped bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz
);
CREATE UNIQUE INDEX data_key_in_use ON hallpass.data_key (tenant) WHERE retired_at IS NULL;
CREATE INDEX data_key_of_tenant ON hallpass.data_key (tenant, id);

CREATE TABLE hallpass.credential (
  key_id bytea PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  server_origin text COLLATE "C" NOT NULL,
  -- Of the whole row. It decides a change.
  generation bigint NOT NULL,
  -- Which record is active: a digest of its issuer and its generation; NULL: none is.
  active_record bytea,
  -- For lists, never for decisions. 0: nothing, 1: registered, 2: signed in, 3: a sign-in is needed.
  state smallint NOT NULL,
  data_key bytea NOT NULL REFERENCES hallpass.data_key,
  sealed bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 85);
-- Sealed bytes don't compress.
ALTER TABLE hallpass.credential ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX credential_owner ON hallpass.credential (tenant, subject, key_id);
CREATE INDEX credential_data_key ON hallpass.credential (data_key);

CREATE TABLE hallpass.replica (
  id bytea PRIMARY KEY,
  name text NOT NULL,
  alive_since timestamptz NOT NULL,
  alive_until timestamptz NOT NULL
);

CREATE TABLE hallpass.lease (
  key_id bytea NOT NULL,
  -- 0: changes of the credential, 1: a sign-in.
  kind smallint NOT NULL,
  -- The replica that holds it, and which of its locks it is; NULL: free.
  holder bytea,
  lock_id bigint,
  acquired_at timestamptz,
  -- Of the credential after its last change. Another one in a snapshot of the credential says that the snapshot is older.
  generation bigint,
  -- The refresh that was noted last: for which active record, by which lock, and its times by the clock of the sessions,
  -- in seconds since 1970. A later record makes it void.
  attempt_record bytea,
  attempt_lock bigint,
  posts int,
  first_post bigint,
  last_post bigint,
  not_before bigint,
  PRIMARY KEY (key_id, kind)
) WITH (fillfactor = 70);
