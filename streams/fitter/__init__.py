"""The fitter: what visitors look at and are interested in, page by page, published to `policy-parameters`.

The owner of a page is the owner of its partition of `page-rules`, so one process
fits it at a time.  Nothing waits for a fit: layout producers go on with the
parameters they have, and a page that was never fitted uses the settings' base rate.
"""
