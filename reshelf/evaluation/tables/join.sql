-- The join of `reshelf.evaluation.join` as an engine does it: the same page views, outcomes and reasons.
CREATE TABLE latest AS
SELECT page, segment, version, max(id) AS id FROM layouts GROUP BY ALL;

CREATE TABLE placed AS
SELECT
    i.n, i.page, i.view, i.variant, l.id AS layout,
    CASE
        WHEN i.variant = $fallback THEN 'page view of the renderer''s fallback'
        WHEN l.id IS NULL THEN 'page view without its layout in the history'
        WHEN l.slotless THEN 'page view of a layout without slots'
        WHEN v.layout IS NULL THEN 'page view of a variant that its layout has not'
    END AS reason
FROM impressions i
LEFT JOIN latest own ON own.page = i.page AND own.segment = i.segment AND own.version = i.version
LEFT JOIN latest whole ON whole.page = i.page AND whole.segment = $whole_page AND whole.version = i.version
LEFT JOIN layouts l ON l.id = coalesce(own.id, whole.id)
LEFT JOIN variants v ON v.layout = l.id AND v.variant = i.variant;

-- A page view is what its first impression with a layout says; further ones add slots.
CREATE TABLE firsts AS
SELECT page, view, min(n) AS id FROM placed WHERE reason IS NULL GROUP BY page, view;

INSERT INTO left_out
SELECT p.reason, count(*)
FROM placed p LEFT JOIN firsts f ON f.page = p.page AND f.view = p.view
WHERE p.reason IS NOT NULL AND (f.id IS NULL OR p.n < f.id)
GROUP BY p.reason;

CREATE TABLE views AS
SELECT f.id, f.page, f.view, p.layout, p.variant FROM firsts f JOIN placed p ON p.n = f.id;

CREATE TABLE impressions_of_views AS
SELECT p.n, v.id, v.layout, v.variant
FROM placed p JOIN views v ON v.page = p.page AND v.view = p.view
WHERE p.n >= v.id;

DROP TABLE firsts;

DROP TABLE placed;

CREATE TABLE seen AS
SELECT e.id, e.slot, e.item, e.shelf, s.position, s.propensity
FROM (
    SELECT
        w.id, w.layout, w.variant, unnest(i.slots) AS slot, unnest(i.items) AS item, unnest(i.shelves) AS shelf
    FROM impressions i JOIN impressions_of_views w ON w.n = i.n
) e
JOIN slates s ON s.layout = e.layout AND s.variant = e.variant AND s.slot = e.slot AND s.item = e.item;

INSERT INTO left_out
SELECT 'slot not as in the layout', reported.slots - matching.slots
FROM
    (SELECT sum(len(i.slots)) AS slots FROM impressions i JOIN impressions_of_views w ON w.n = i.n) reported,
    (SELECT count(*) AS slots FROM seen) matching
WHERE reported.slots > matching.slots;

DROP TABLE impressions_of_views;

CREATE TABLE clicks_of_views AS
SELECT c.n, c.event, v.id, c.slot, c.item
FROM clicks c JOIN views v ON v.page = c.page AND v.view = c.view;

CREATE TABLE clicked AS
SELECT c.n, c.event, c.id, c.slot
FROM clicks_of_views c
JOIN (
    SELECT DISTINCT s.id, s.slot, s.item
    FROM seen s SEMI JOIN clicks_of_views c ON c.id = s.id AND c.slot = s.slot AND c.item = s.item
) s ON s.id = c.id AND s.slot = c.slot AND s.item = c.item;

DROP TABLE clicks_of_views;

INSERT INTO left_out
SELECT
    CASE WHEN c.variant = $fallback THEN 'click on the renderer''s fallback' ELSE 'click without its page view' END,
    count(*)
FROM clicks c ANTI JOIN clicked k ON k.n = c.n
GROUP BY 1;

CREATE TABLE clicks_by_event AS
SELECT event, arg_max(id, n) AS id, arg_max(slot, n) AS slot FROM clicked GROUP BY event;

CREATE TABLE sold AS
SELECT k.id, k.slot, least(c.amount, $amount_cap) AS amount, CASE WHEN c.repeat THEN 0 ELSE 1 END AS orders
FROM conversions c JOIN clicks_by_event k ON k.event = c.click;

CREATE TABLE credited AS
SELECT k.id, k.slot, c.kind, least(c.amount, $amount_cap) AS amount
FROM credits c JOIN clicks_by_event k ON k.event = c.click;

DROP TABLE clicks_by_event;

INSERT INTO left_out
SELECT 'conversion without its click', every.records - credited.records
FROM (SELECT count(*) AS records FROM conversions) every, (SELECT count(*) AS records FROM sold) credited
WHERE every.records > credited.records;

INSERT INTO left_out
SELECT 'signal or return without its click', every.records - credited.records
FROM (SELECT count(*) AS records FROM credits) every, (SELECT count(*) AS records FROM credited) credited
WHERE every.records > credited.records;

CREATE TABLE outcomes AS
SELECT
    id, slot, sum(clicks)::BIGINT AS clicks, sum(orders)::BIGINT AS orders, sum(revenue)::BIGINT AS revenue,
    sum(returned)::BIGINT AS returned
FROM (
    SELECT id, slot, 1 AS clicks, 0 AS orders, 0 AS revenue, 0 AS returned FROM clicked
    UNION ALL
    SELECT id, slot, 0, orders, amount, 0 FROM sold
    UNION ALL
    SELECT id, slot, 0, 0, 0, amount FROM credited WHERE kind = $returned
)
GROUP BY id, slot;

CREATE TABLE signals AS
SELECT id, slot, map_from_entries(list(row(kind, records) ORDER BY kind)) AS signals
FROM (
    SELECT id, slot, kind, count(*)::INTEGER AS records FROM credited WHERE kind <> $returned GROUP BY id, slot, kind
)
GROUP BY id, slot;

DROP TABLE credited;

DROP TABLE clicked;

DROP TABLE sold;
