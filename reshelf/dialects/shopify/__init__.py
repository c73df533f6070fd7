"""Shopify: events of its web pixels, and orders.

- `orders`: orders of its Admin interface, with what went back of them
- `pixels`: events of its web pixels, and orders where a row is one
- `products`: which item a product or variant of an event or order is
"""
