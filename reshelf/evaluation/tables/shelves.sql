-- The learned page views of one page with shelves, and what was seen and clicked of shelves in them.
-- The shelf of a slot that was seen, once; a slot may be reported more than once, and not always with its shelf.
CREATE OR REPLACE TABLE shelf_cells AS
SELECT s.id, s.slot, any_value(s.item) AS item, arg_max(s.shelf, shelf.name) AS shelf
FROM seen s
JOIN views v ON v.id = s.id
JOIN names shelf ON shelf.code = s.shelf
WHERE v.page = $page AND v.variant >= 0
GROUP BY s.id, s.slot;

CREATE OR REPLACE TABLE shelf_views AS
SELECT
    v.id, v.layout, i.segment, k.fill, i.bin % $parts AS part,
    CASE
        WHEN NOT l.shelved THEN 'page view of a layout without shelves'
        WHEN coalesce(c.unnamed, 0) > 0 THEN 'page view that does not name the shelf of each slot'
        WHEN k.layout IS NULL THEN 'page view of a layout with rows that the page does not have now'
        WHEN coalesce(c.others, 0) > 0 THEN 'page view with another shelf in a row than its layout has there'
    END AS reason
FROM views v
JOIN impressions i ON i.n = v.id
JOIN layouts l ON l.id = v.layout
LEFT JOIN fills k ON k.layout = v.layout AND k.variant = v.variant
LEFT JOIN (
    SELECT
        c.id, count(*) FILTER (c.shelf = $unnamed) AS unnamed,
        count(*) FILTER (t.shelf IS DISTINCT FROM c.shelf) AS others
    FROM shelf_cells c
    JOIN views w ON w.id = c.id
    LEFT JOIN slots_of_rows r ON r.slot = c.slot
    LEFT JOIN standing t ON t.layout = w.layout AND t.variant = w.variant AND t.row_number = r.row_number
    GROUP BY c.id
) c ON c.id = v.id
WHERE v.page = $page AND v.variant >= 0;

CREATE OR REPLACE TABLE shelf_counts AS
SELECT
    v.part, v.segment, v.fill, c.slot, c.item, c.shelf, count(*)::DOUBLE AS impressions,
    sum(coalesce(o.clicks, 0))::DOUBLE AS clicks
FROM shelf_views v
JOIN shelf_cells c ON c.id = v.id
LEFT JOIN outcomes o ON o.id = c.id AND o.slot = c.slot
WHERE v.reason IS NULL
GROUP BY ALL
ORDER BY v.part;

DROP TABLE shelf_cells;
