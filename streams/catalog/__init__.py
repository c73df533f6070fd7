"""What compacted topics say of items, vectors, pages and parameters, kept up to date.

- `candidates`: which items a page may show, kept up to date while items come and go
- `days`: counts by day, and what of them is not forgotten
- `embeddings`: vectors of item texts, by item, as one matrix
- `follower`: reading compacted topics: from their beginning to their end, then on as they grow
- `item_features`: what is known of a page's candidates beside their counts: features, vectors,
  margins, what was fitted
- `items`: items as workers keep them: what layouts need, and no texts
- `labels`: which items have a label, and which pages an item with it may be on
- `layouts`: what is known of published layouts, and until when they are good
- `page`: what layouts of a page are made from, beside the counts, and what changed of it
- `ranking`: what is expected of the items that fit a page which more fit than it may have
- `sales`: what followed clicks: orders, signals and returns, by candidate
- `segments`: learned segments, as their topic has them
- `shelves`: pages of shelves: what was counted by shelf
- `snapshot`: the compacted topics read once, as they are now
- `view`: what the compacted topics say: items, their vectors, pages, fitted parameters, published
  layouts
- `weighted_counts`: tables of counts summed over time buckets, aligned to a page's candidates and
  slots
- `weights`: what time buckets weigh by their age
"""
