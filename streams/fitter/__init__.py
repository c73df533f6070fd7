"""The fitter: what visitors look at and are interested in, page by page, published to `policy-parameters`.

The owner of a page is the owner of its partition of `page-rules`, so one process
fits it at a time.  Nothing waits for a fit: layout producers go on with the
parameters they have, and a page that was never fitted uses the settings' base rate.

- `app`: the fitter as a Faust application
- `due`: which pages are worth another fit: by how much came since the last one
- `log_reader`: reading the ends of event topics beside the workers that count them: a reader of its
  own, in no group
- `pacing`: how much of its slot a sponsored rule gets, so that a day's impressions are spread over
  the day and not exceeded
- `page`: from the tables of a page's segments to its parameters: a pure function
- `sales`: what follows clicks on a page: orders, the signals before them, what is returned
- `purchases`: purchases as the fitter reads them: which items were bought in one order
- `segments`: the model of learned segments: from visitors of a sample to the topics `segments` and
  `segments-history`
- `shelves`: what is fitted of the shelves and rows of a page, together with its items
- `view_reader`: page views as the fitter reads them: impressions and clicks of the units in a sample
- `view_sample`: a sample of page views as wholes, of visitors that a hash chooses: memory is bounded,
  and a visitor is in or out
- `visits`: what page views as wholes say of a page, fitted again when the sample has grown
"""
