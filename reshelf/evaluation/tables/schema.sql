-- Names are numbers of `names`, and that of no shelf is that of the empty name; n is partition and offset of a record in one number, which orders the records.
CREATE TABLE names (code INTEGER, name VARCHAR);
CREATE TABLE impressions (
    n BIGINT, bucket BIGINT, page INTEGER, segment INTEGER, version BIGINT, variant SMALLINT, occurred_at BIGINT,
    view VARCHAR, unit VARCHAR, bin SMALLINT, slots INTEGER[], items INTEGER[], shelves INTEGER[]
);
CREATE TABLE clicks (
    n BIGINT, bucket BIGINT, page INTEGER, segment INTEGER, version BIGINT, variant SMALLINT,
    view VARCHAR, event VARCHAR, slot INTEGER, item INTEGER, shelf INTEGER
);
CREATE TABLE conversions (
    n BIGINT, bucket BIGINT, page INTEGER, segment INTEGER, version BIGINT, variant SMALLINT,
    click VARCHAR, item INTEGER, amount BIGINT, delay BIGINT, repeat BOOLEAN, earlier BIGINT, via VARCHAR,
    shelf INTEGER
);
-- Signals, and lines that were returned.
CREATE TABLE credits (
    n BIGINT, bucket BIGINT, page INTEGER, segment INTEGER, version BIGINT, variant SMALLINT,
    click VARCHAR, item INTEGER, kind VARCHAR, amount BIGINT, delay BIGINT, shelf INTEGER
);
CREATE TABLE layouts (
    id INTEGER, page INTEGER, segment INTEGER, version BIGINT, slotless BOOLEAN, shadowed BOOLEAN, shelved BOOLEAN,
    policy VARCHAR, holdout_share DOUBLE, content BLOB
);
-- The slates that a visitor may be shown, and what is in them.
CREATE TABLE variants (layout INTEGER, variant SMALLINT);
CREATE TABLE slates (
    layout INTEGER, variant SMALLINT, slot INTEGER, item INTEGER, position SMALLINT, propensity DOUBLE
);
CREATE TABLE targets (layout INTEGER, slates BLOB);
CREATE TABLE left_out (reason VARCHAR, records BIGINT);
