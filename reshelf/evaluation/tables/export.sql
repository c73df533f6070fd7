-- The page views of one page, or of all with -1, in the order of time.
CREATE OR REPLACE TABLE timeline AS
SELECT row_number() OVER () - 1 AS number, *
FROM (
    SELECT v.id, v.view AS page_view_id, i.unit, i.occurred_at, v.page, i.segment, v.layout, v.variant
    FROM views v JOIN impressions i ON i.n = v.id
    WHERE $page IN (-1, v.page)
    ORDER BY i.occurred_at, v.view, v.id
);

CREATE OR REPLACE TABLE shown AS
SELECT t.number AS view, s.slot, s.item, shelf.name AS shelf, s.position, s.propensity, o.clicks, o.orders, o.revenue, o.returned
FROM seen s JOIN timeline t ON t.id = s.id JOIN names shelf ON shelf.code = s.shelf LEFT JOIN outcomes o ON o.id = s.id AND o.slot = s.slot
ORDER BY t.number;

-- A row for each slot that was seen; a slot may be reported more than once, and not always with its shelf.
CREATE OR REPLACE VIEW decision_rows AS
SELECT
    r.view, t.page_view_id, t.unit, t.occurred_at, page.name AS page, segment.name AS segment,
    layout_segment.name AS layout_segment, l.version AS layout_version, l.policy, t.variant, slot.name AS slot,
    r.position, r.shelf, item.name AS item, r.propensity, l.holdout_share, coalesce(r.clicks, 0)::INTEGER AS clicks,
    coalesce(r.orders, 0)::INTEGER AS orders, coalesce(r.revenue, 0)::BIGINT AS revenue,
    coalesce(r.returned, 0)::BIGINT AS returned,
    coalesce(credit.signals, map_from_entries([]::STRUCT(k VARCHAR, v INTEGER)[])) AS signals
FROM (SELECT * EXCLUDE (shelf), max(shelf) AS shelf FROM shown GROUP BY ALL) r
JOIN timeline t ON t.number = r.view
JOIN layouts l ON l.id = t.layout
JOIN names page ON page.code = t.page
JOIN names segment ON segment.code = t.segment
JOIN names layout_segment ON layout_segment.code = l.segment
JOIN names slot ON slot.code = r.slot
JOIN names item ON item.code = r.item
LEFT JOIN signals credit ON credit.id = t.id AND credit.slot = r.slot;
