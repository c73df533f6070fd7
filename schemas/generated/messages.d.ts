// Written by `reshelf schemas export` from the message types. Do not edit.

/** Slots of one page view that a visitor really saw; on a page with rows, also which shelf stood in each of them. */
export interface Impression {
  /** Unique per event; the same on every retry. */
  event_id: string;
  /** Milliseconds since 1970-01-01 UTC. */
  occurred_at: number;
  /** Sticky pseudonym of a visitor; the record's key. */
  unit: string;
  /** The page, as named in page-rules. */
  page: string;
  /** The segment, as named by the web tier; '*' is the whole page. */
  segment: string;
  /** One rendering of a page for one visitor. */
  page_view_id: string;
  /** Grows with every publication. */
  layout_version: number;
  /** 0..V-1 a slate of the layout, -1 the holdout's baseline, -2 the renderer's own fallback. */
  variant: number;
  slots: SlotItem[];
  /** The shelf of each row that came into view; none: the page has no rows. */
  rows?: Record<string, string>;
  /**
   * What is known of the visit before it begins, such as its device, country or channel. The value `no` of
   * `consent` says that the visitor has not agreed to learned segments.
   */
  context?: Record<string, string>;
}

/** An item that was visible in a slot. */
export interface SlotItem {
  /** An addressable place, unique on its page. */
  slot: string;
  /** The arm: an item of the catalog or a content block. */
  item: string;
  visible_ms?: number | null;
  /** The row that the slot is in; left out where the slot's name is that, `.` and more. */
  row?: string;
}

/** A visitor clicked the item in a slot. */
export interface Click {
  /** Unique per event; the same on every retry. */
  event_id: string;
  /** Milliseconds since 1970-01-01 UTC. */
  occurred_at: number;
  /** Sticky pseudonym of a visitor; the record's key. */
  unit: string;
  /** The page, as named in page-rules. */
  page: string;
  /** The segment, as named by the web tier; '*' is the whole page. */
  segment: string;
  /** An addressable place, unique on its page. */
  slot: string;
  /** The arm: an item of the catalog or a content block. */
  item: string;
  /** One rendering of a page for one visitor. */
  page_view_id: string;
  /** Grows with every publication. */
  layout_version: number;
  /** 0..V-1 a slate of the layout, -1 the holdout's baseline, -2 the renderer's own fallback. */
  variant: number;
  /** What variants of one product have in common, such as their parent; or none. */
  family?: string;
  /** The shelf that stood in the slot's row; empty where the page has no rows. */
  shelf?: string;
  /**
   * What is known of the visit before it begins, such as its device, country or channel. The value `no` of
   * `consent` says that the visitor has not agreed to learned segments.
   */
  context?: Record<string, string>;
}

/** An order that a visitor placed, or a part of one; a line that was reported before does not count again. */
export interface Purchase {
  /** Unique per event; the same on every retry. */
  event_id: string;
  /** Milliseconds since 1970-01-01 UTC. */
  occurred_at: number;
  /** Sticky pseudonym of a visitor; the record's key. */
  unit: string;
  /** Unique per event; the same on every retry. */
  order_id: string;
  /** ISO 4217 code. */
  currency: string;
  lines: PurchaseLine[];
}

/** One line of an order; `amount` is the line's total. */
export interface PurchaseLine {
  /** The arm: an item of the catalog or a content block. */
  item: string;
  quantity: number;
  /** Money in minor units. */
  amount: number;
  /** What variants of one product have in common, such as their parent; or none. */
  family?: string;
  /** Which of the order's lines of this item, from 1; 0: as they stand in the event. */
  nth?: number;
}

/** Something that a visitor did with an item, on any page, between a click and an order. */
export interface Signal {
  /** Unique per event; the same on every retry. */
  event_id: string;
  /** Milliseconds since 1970-01-01 UTC. */
  occurred_at: number;
  /** Sticky pseudonym of a visitor; the record's key. */
  unit: string;
  /** What a visitor did, such as add-to-cart, as fold.signals declares it. */
  kind: string;
  /** The arm: an item of the catalog or a content block. */
  item: string;
  /** What variants of one product have in common, such as their parent; or none. */
  family?: string;
  /**
   * What is known of the visit before it begins, such as its device, country or channel. The value `no` of
   * `consent` says that the visitor has not agreed to learned segments.
   */
  context?: Record<string, string>;
}

/** Goods or money that went back, of one order; a line that was reported before does not count again. */
export interface Return {
  /** Unique per event; the same on every retry. */
  event_id: string;
  /** Milliseconds since 1970-01-01 UTC. */
  occurred_at: number;
  /** Sticky pseudonym of a visitor; the record's key. */
  unit: string;
  /** Unique per event; the same on every retry. */
  return_id: string;
  /** Unique per event; the same on every retry. */
  order_id: string;
  /** ISO 4217 code. */
  currency: string;
  lines: ReturnLine[];
}

/** What came back of one line of an order; `amount` is what was paid back, without a sign. */
export interface ReturnLine {
  /** The arm: an item of the catalog or a content block. */
  item: string;
  quantity: number;
  /** Money in minor units. */
  amount: number;
  /** Which of the order's lines of this item, from 1; 0: as they stand in the event. */
  nth?: number;
}

/**
 * A purchase line credited to a click; `event_id` is derived from purchase and line.
 *
 * `line` is its number among the lines of the purchase that count.  `bought` and `nth` name the line
 * of the order, with `bought` empty where it is the clicked item.  A click converts once: `repeat` says that it
 * had converted before, with lines of `earlier` in all.  `via` are all kinds of signals that its click
 * was credited with by the order, with the time from the first one of each to the order.
 */
export interface Conversion {
  event_id: string;
  /** Milliseconds since 1970-01-01 UTC. */
  occurred_at: number;
  /** Sticky pseudonym of a visitor; the record's key. */
  unit: string;
  /** Unique per event; the same on every retry. */
  order_id: string;
  /** Unique per event; the same on every retry. */
  purchase_id: string;
  line: number;
  /** Unique per event; the same on every retry. */
  click_id: string;
  /** Milliseconds since 1970-01-01 UTC. */
  clicked_at: number;
  /** Purchase minus click, in milliseconds of event time. */
  delay: number;
  /** The page, as named in page-rules. */
  page: string;
  /** The segment, as named by the web tier; '*' is the whole page. */
  segment: string;
  /** An addressable place, unique on its page. */
  slot: string;
  /** The arm: an item of the catalog or a content block. */
  item: string;
  /** Grows with every publication. */
  layout_version: number;
  /** 0..V-1 a slate of the layout, -1 the holdout's baseline, -2 the renderer's own fallback. */
  variant: number;
  quantity: number;
  /** Money in minor units. */
  amount: number;
  /** ISO 4217 code. */
  currency: string;
  bought?: string;
  /** Which of the order's lines of this item, from 1; 0: as they stand in the event. */
  nth?: number;
  repeat?: boolean;
  /** Money in minor units. */
  earlier?: number;
  via?: Record<string, number>;
  /** The shelf that stood in the slot's row; empty where the page has no rows. */
  shelf?: string;
}

/**
 * A signal, or a returned line, credited to a click; `event_id` is derived from its source and line.
 *
 * `kind` is that of the signal, or `return`.  `delay` goes from the click to the signal, or from the order
 * to the return, in milliseconds of event time.  `amount` is what was paid back.  `return_id`, `bought` and
 * `nth`
 * name the line of the return.
 */
export interface Credit {
  event_id: string;
  /** Milliseconds since 1970-01-01 UTC. */
  occurred_at: number;
  /** Sticky pseudonym of a visitor; the record's key. */
  unit: string;
  /** What a visitor did, such as add-to-cart, as fold.signals declares it. */
  kind: string;
  /** Unique per event; the same on every retry. */
  source_id: string;
  /** Unique per event; the same on every retry. */
  click_id: string;
  /** Milliseconds since 1970-01-01 UTC. */
  clicked_at: number;
  delay: number;
  /** The page, as named in page-rules. */
  page: string;
  /** The segment, as named by the web tier; '*' is the whole page. */
  segment: string;
  /** An addressable place, unique on its page. */
  slot: string;
  /** The arm: an item of the catalog or a content block. */
  item: string;
  /** Grows with every publication. */
  layout_version: number;
  /** 0..V-1 a slate of the layout, -1 the holdout's baseline, -2 the renderer's own fallback. */
  variant: number;
  /** ISO 4217 code. */
  currency: string;
  /** Money in minor units. */
  amount?: number;
  order_id?: string;
  return_id?: string;
  bought?: string;
  /** Which of the order's lines of this item, from 1; 0: as they stand in the event. */
  nth?: number;
  /** The shelf that stood in the slot's row; empty where the page has no rows. */
  shelf?: string;
}

/** An item as the catalog team writes it; a null value deletes it. */
export interface CatalogItem {
  /** The arm: an item of the catalog or a content block. */
  item: string;
  title: string;
  description?: string;
  category?: string;
  brand?: string;
  /** Money in minor units. */
  price?: number;
  /** ISO 4217 code. */
  currency?: string;
  available?: boolean;
  /** Milliseconds since 1970-01-01 UTC. */
  created_at?: number;
  tags?: string[];
  attributes?: Record<string, string>;
  /** Part of the price that the shop earns by a sale. */
  margin?: number;
  /** May be shown from then on; 0: always. */
  available_from?: number;
  /** May be shown until then; 0: for ever. */
  available_until?: number;
  /** Items that go with this one. */
  complements?: string[];
  /** Where the item's picture is: an http or https URL, or a path below pictures.folder. */
  image?: string;
  /** What variants of one product have in common, such as their parent; or none. */
  family?: string;
}

/**
 * An item's text as a vector, and its picture where it has one; `content_hash` says of which text.
 *
 * The vector is `scale` times the numbers in `vector`.  Vectors can be compared
 * where `model` and `revision` are the same.
 */
export interface CatalogEmbedding {
  /** The arm: an item of the catalog or a content block. */
  item: string;
  model: string;
  content_hash: string;
  vector: number[];
  revision?: string;
  scale?: number;
  /** Absent without one that can be had. */
  picture?: PictureEmbedding;
}

/**
 * An item's picture as a vector: `scale` times `numbers`, whole numbers of 8 bits with a sign.
 *
 * `content_hash` says of which picture, and `image` is a hash of where it was.
 */
export interface PictureEmbedding {
  model: string;
  content_hash: string;
  image: string;
  numbers: string;
  revision?: string;
  scale?: number;
}

/** A page as merchandisers declare it: a list of slots, or shelves and rows. */
export interface PageRules {
  /** The page, as named in page-rules. */
  page: string;
  /** Grows with every publication. */
  version: number;
  /**
   * Slots in rendered order, each once. On a page with `rows` those of all rows, filled in where they are left
   * out.
   */
  slots?: string[];
  /** What renderers know it by; on a page with `templates` the one that its own policy uses. */
  template?: string;
  candidates?: Candidates;
  policy?: PolicyChoice;
  /**
   * Click to purchase, milliseconds. Where it is left out it is `attribution.window_ms` of the settings, 7 days by
   * default.
   */
  attribution_window?: number;
  /** Content blocks: arms beside the items of the catalog. */
  blocks?: string[];
  /** Modules of the page, in declared order, with `rows` for them to stand in. */
  shelves?: PageShelf[];
  /** Rows of slots in rendered order, on a page with `shelves`. */
  rows?: PageRow[];
  /** Narrower forms of a page with `rows`, for the page's own policy or for branches. */
  templates?: PageTemplate[];
  /** Of two that cannot both hold, the first does. */
  rules?: (Pin | Boost | Cap | Spacing | Exposure | Placement | Sponsored | Bid | Complements | NotAbove | NotBelow | MostOfKind | LeastExposure)[];
  /** Policies on trial beside the page's own, which has the rest. */
  branches?: Branch[];
  /** Decides which units each branch gets; a new trial takes a new one. */
  branch_salt?: string;
  /** `learned`: visitors' segments are chosen by what they looked at (topic segments). */
  segments?: "learned";
  /** Who published this version. */
  author?: string;
  /** Why this version was published. */
  reason?: string;
  /** Milliseconds since 1970-01-01 UTC. */
  published_at?: number;
}

/**
 * Which catalog items may be placed: all that match every filter that is set.
 *
 * An empty list sets no filter.  Where more than `limit` match, the best by
 * prior mean are kept, and `reserve` places go to the newest items.
 */
export interface Candidates {
  items?: string[];
  categories?: string[];
  brands?: string[];
  tags?: string[];
  limit?: number;
  reserve?: number;
}

/** How a page's slates are chosen. */
export interface PolicyChoice {
  name?: "baseline" | "epsilon-greedy" | "greedy" | "thompson" | "ucb" | "uniform";
  variants?: number;
  /** How much is tried: multiplies `layouts.exploration` of the settings. */
  exploration?: number;
  /** Share of slots that epsilon-greedy fills at random. */
  epsilon?: number;
  /** Further slates, drawn uniformly each epoch, for evaluation. */
  exploration_slates?: number;
  /** A policy whose slates are recorded in the history, not served. */
  shadow?: "baseline" | "epsilon-greedy" | "greedy" | "thompson" | "ucb" | "uniform" | "";
}

/** A module of a page: a carousel, a grid, a banner. */
export interface PageShelf {
  /** A module of a page, such as a carousel or a grid; unique on it. */
  name: string;
  /** How its columns are looked at: shelves of one kind have this in common. */
  kind?: string;
  /** What visitors read above it. */
  title?: string;
  /** Which items it may show, and which blocks of the page; left out: the items of the page. */
  candidates?: Candidates | null;
  /** It stands in a row only with as many items as that. */
  least_columns?: number;
  /** It shows no more items than that. */
  most_columns?: number;
  /** Whether it claims its best items before any other shelf. */
  keeps?: boolean;
  /** The row in which it stands in every slate; empty: it may move. */
  pinned?: string;
}

/** Slots side by side, in which one shelf stands: by their names, or as many as there are columns. */
export interface PageRow {
  /** Slots side by side, where one shelf stands; unique on its page. */
  name: string;
  /** In rendered order; left out where `columns` is given. */
  slots?: string[];
  /** So many slots, named row.1, row.2 and so on; 0: `slots` has the names. */
  columns?: number;
  /** Which shelves may stand there; empty: all. */
  shelves?: string[];
}

/** A narrower form of a page with shelves: some of its rows, with fewer columns or fewer shelves to stand there. */
export interface PageTemplate {
  /** Not `default`, which is the page with all its rows. */
  name: string;
  rows: TemplateRow[];
}

/** A row of the page that a template has, narrower where it says so. */
export interface TemplateRow {
  /** Slots side by side, where one shelf stands; unique on its page. */
  name: string;
  /** So many of its slots, from the first; 0: all of them. */
  columns?: number;
  /** Which shelves may stand there; empty: those of the page's row. */
  shelves?: string[];
}

/** The item stands in the slot, in every slate; with `or_above`, in the slot or in one above it. */
export interface Pin {
  kind: "pin";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  item: string;
  slot: string;
  /** A soft pin: the policy chooses among the slot and those before it in rendered order. */
  or_above?: boolean;
}

/** Scores of these arms are multiplied: above 1 lifts, below 1 buries, 0 keeps them off the page. */
export interface Boost {
  kind: "boost";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  match: Match;
  factor: number;
}

/** Which arms a rule is about: all that pass every filter that is set; an empty one is about all arms. */
export interface Match {
  items?: string[];
  categories?: string[];
  brands?: string[];
  tags?: string[];
  /** 0: of any age. */
  newer_than_days?: number;
}

/** At most `most` of these arms in a slate: all together, or for each brand or category by itself. */
export interface Cap {
  kind: "cap";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  match?: Match;
  by?: "brand" | "category" | "all";
  most: number;
}

/**
 * Arms of one brand or category, or that are alike, are `distance` positions apart; 2: not next to each other.
 *
 * By likeness, arms of one family are alike, and arms whose pictures have a cosine of at least `similarity`.
 */
export interface Spacing {
  kind: "spacing";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  by: "brand" | "category" | "likeness";
  distance: number;
  similarity?: number;
}

/** One of these arms is in at least the share `least` of slates; each of them in at most the share `most`. */
export interface Exposure {
  kind: "exposure";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  match: Match;
  least?: number;
  most?: number;
}

/** These arms may stand in these slots alone; with `reserved`, the slots take no others. */
export interface Placement {
  kind: "place";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  match: Match;
  slots: string[];
  reserved?: boolean;
}

/**
 * The slot goes to the best of these arms in as many slates as its impressions of the day allow.
 *
 * `impressions` is what was sold for a day on the whole page; the share of slates
 * is worked out anew with each fit from what was shown so far.
 */
export interface Sponsored {
  kind: "sponsored";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  match: Match;
  slot: string;
  impressions: number;
}

/**
 * A sponsor pays for clicks on these arms, which compete with all others for what a look is worth.
 *
 * `amount` and `worth` are in the same unit of money, whichever it is.
 */
export interface Bid {
  kind: "bid";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  match: Match;
  /** What the sponsor pays for a click. */
  amount: number;
  /** What a click is worth to the shop that nobody pays for. */
  worth: number;
  /** An arm is not lifted whose own score is below this share of what the last slot would get by scores alone. */
  floor?: number;
  /** Who pays, for reports; empty: the rule's name. */
  sponsor?: string;
}

/** Next to an item, its complements' scores are multiplied by `factor`. */
export interface Complements {
  kind: "complements";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  factor?: number;
  /** Whether what is often bought in one order goes together, too, beside what the catalog names. */
  learned?: boolean;
}

/** The shelf does not stand above the row. */
export interface NotAbove {
  kind: "not-above";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  /** A shelf of the page. */
  shelf: string;
  /** A row of the page. */
  row: string;
}

/** The shelf does not stand below the row. */
export interface NotBelow {
  kind: "not-below";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  /** A shelf of the page. */
  shelf: string;
  /** A row of the page. */
  row: string;
}

/** At most `most` shelves of the kind are on the page. */
export interface MostOfKind {
  kind: "most-of-kind";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  shelf_kind: string;
  most: number;
}

/** The shelf is in at least the share `least` of slates. */
export interface LeastExposure {
  kind: "least-exposure";
  /** Unique on the page. */
  name: string;
  segments?: string[];
  /** Milliseconds since 1970-01-01 UTC. */
  starts_at?: number;
  /** Milliseconds since 1970-01-01 UTC. */
  ends_at?: number;
  /** On trial: the branches of the page in whose slates alone the rule holds. */
  branches?: string[];
  /** A shelf of the page. */
  shelf: string;
  least: number;
}

/** A policy on trial: some of a page's units get its slates, always the same units. */
export interface Branch {
  /** Not `main`, which is the page's own policy. */
  name: string;
  /** Of the units outside the holdout. */
  share: number;
  policy: PolicyChoice;
  /** One of the page's `templates`, or `default` for all its rows; left out: that of the page. */
  template?: string;
  /**
   * `*`: in the layout of each segment it has the slates of the whole page, so that the trial tells what segments
   * gain.
   */
  segment?: "*";
}

/** A page's file under work, by a name of its own; it may not fit yet. */
export interface PageDraft {
  /** The name of the draft. */
  draft: string;
  /** The page, as named in page-rules. */
  page: string;
  /** Grows each time that it is saved. */
  revision: number;
  /** The page's file, as `reshelf rules check` takes it. */
  text: string;
  /** Grows with every publication. */
  version?: number;
  /** Who saved it last. */
  author?: string;
  /** Why it is to be published. */
  reason?: string;
  /** Whether it waits for somebody's approval. */
  asked?: boolean;
  /** Milliseconds since 1970-01-01 UTC. */
  saved_at?: number;
}

/**
 * What was fitted for a page: priors, what its visitors look at, and what they are interested in.
 *
 * The prior mean of an arm's attractiveness is, on the logit scale, that of
 * `click_rate` plus weight times value over the arm's features (see
 * `policy.model.features`) plus `text` and `picture` times the vectors of the arm's text and picture, each with
 * the segment's own part; and then what `arms` says of its clicks in the other segments.
 * `strength` is the weight of the page's base rate where nothing else is known.
 */
export interface PolicyParameters {
  /** The page, as named in page-rules. */
  page: string;
  /** Grows with every publication. */
  version: number;
  /** Milliseconds since 1970-01-01 UTC. */
  fitted_at: number;
  /** Prior mean of attractiveness. */
  click_rate: number;
  /** Prior weight, in examined impressions. */
  strength: number;
  examination?: Record<string, number>;
  /** Centre and width of each feature that is a quantity. */
  scales?: Record<string, [number, number]>;
  weights?: Record<string, number>;
  text_model?: string;
  /** Little-endian float16, one for each dimension of a vector. */
  text?: string;
  picture_model?: string;
  /** Little-endian float16, one for each dimension of a vector. */
  picture?: string;
  segments?: Record<string, SegmentFit>;
  /**
   * Clicks of each arm on the whole page, and how many its features let expect; those of a segment count the less,
   * the more it has.
   */
  arms?: Record<string, [number, number]>;
  /** Prior weight of a factor around 1, in expected clicks. */
  arm_strength?: number;
  /** Prior weight of a factor around 1, in expected clicks. */
  segment_strength?: number;
  /** Variance of what the weights say, logit scale. */
  variance?: number;
  sales?: Sales;
  /** Share of slates that each sponsored rule gets, by its name. */
  pacing?: Record<string, number>;
  /** Segments whose clicks are implausible: they teach no other. */
  left_out?: string[];
  /** Items that are bought in one order more often than by chance, the surest first. */
  complements?: Record<string, string[]>;
  /** Absent where signals say nothing of orders. */
  signals?: SignalFit;
  /** Absent where nothing was returned. */
  returns?: ReturnFit;
  /** Absent where few page views were read. */
  visits?: VisitFit;
  /** Absent where the page has no shelves. */
  shelves?: ShelvesFit;
  /** Absent where no segments are learned. */
  affinity?: AffinityFit;
}

/**
 * What sets a segment apart from its page, on the logit scale of attractiveness.
 *
 * `examined` are the segment's impressions that were probably looked at, of those that were fitted.
 */
export interface SegmentFit {
  base?: number;
  weights?: Record<string, number>;
  /** Little-endian float16, one for each dimension of a vector. */
  text?: string;
  /** Little-endian float16, one for each dimension of a vector. */
  picture?: string;
  examined?: number;
  /** Variance of what the weights say, logit scale. */
  variance?: number;
}

/**
 * What is known of purchases on a page before an item's own are looked at.
 *
 * `delays` is the share of purchases that come within 1, 2, 4, ... seconds after
 * the click, and `maturity` the share that has come by now, for the clicks of each
 * time bucket; a bucket that is not named counts as the youngest one that is.
 */
export interface Sales {
  conversion_rate?: number;
  /** Prior weight of the rate, in clicks. */
  strength?: number;
  /** Mean of a purchase line, minor units. */
  amount?: number;
  /** Standard deviation of a purchase line. */
  deviation?: number;
  delays?: number[];
  maturity?: Record<string, number>;
}

/**
 * What is known of the signals behind clicks on a page, and of the orders behind these.
 *
 * Rates are per click (`signal_rate`, and `direct_rate` for orders without a signal) or per signal
 * (`order_rate`);
 * the others are those of `policy.model.chain.fitting.Chain`.  `coverage` is the share of orders that a
 * signal precedes.  `maturity` has, for the clicks of each time bucket, the share of signals that has come by
 * now,
 * and of orders behind a signal; a bucket that is not named counts as the youngest one that is.  `delays` is the
 * share of signals that come within 1, 2, 4, ... seconds after the click, `order_delays` that of orders after
 * these.
 */
export interface SignalFit {
  /** The kind that foretells orders best. */
  kind: string;
  signal_rate: number;
  /** Prior weight of signal_rate, in clicks. */
  signal_strength: number;
  order_rate: number;
  direct_rate: number;
  hidden: number;
  /** How far signals count against the page's conversion rate. */
  weight: number;
  /** Prior weight of what they let expect, in orders. */
  shape: number;
  evidence?: number;
  coverage?: number;
  maturity?: Record<string, [number, number]>;
  left_out?: LeftOut[];
  delays?: number[];
  order_delays?: number[];
}

/**
 * Tables that log signals otherwise than their page, so that these do not count: a segment's, or a time
 * bucket's.
 *
 * An empty `segment` stands for all of them, a `bucket` of -1 too; `coverage` is the share of their
 * `orders` that a signal preceded.
 */
export interface LeftOut {
  segment?: string;
  bucket?: number;
  coverage?: number;
  orders?: number;
}

/**
 * What is known of returns on a page before an item's own are looked at.
 *
 * `cost` is what a returned line is paid back over the mean of its item's lines.  `maturity` has, for the
 * clicks of each time bucket, the share of the returns of their orders that has come by now.  `delays` is the
 * share
 * of returns that come within 1, 2, 4, ... seconds after the order.
 */
export interface ReturnFit {
  /** Share of orders that are returned. */
  rate: number;
  /** Prior weight of the rate, in orders. */
  strength: number;
  cost: number;
  /** Mean of an order that is not returned, minor units. */
  amount: number;
  /** Standard deviation of one. */
  deviation: number;
  maturity?: Record<string, number>;
  delays?: number[];
}

/** How a slot bears on those below it in the same page view, from a sample of `views` page views with `clicks`. */
export interface VisitFit {
  /** For each click above. */
  after_click?: EffectFit;
  /** For each item of the same category above. */
  after_alike?: EffectFit;
  views?: number;
  clicks?: number;
}

/**
 * By which `factor` clicks of a slot are fewer for each of something above it on the page, with a 95 % interval.
 *
 * `gain` is by how much the logarithm of the likelihood of page views grew that the factor was not fitted to,
 * and
 * `surely` what it exceeds with a chance of 80 %.  `in_force` says whether layouts go by it.
 */
export interface EffectFit {
  factor?: number;
  low?: number;
  high?: number;
  gain?: number;
  surely?: number;
  in_force?: boolean;
}

/**
 * How the rows of a page are looked at, and what its shelves add to their items.
 *
 * The chance that a slot in view is looked at is that of its row, times that of its column in shelves of a kind,
 * times
 * the slot's own part.  `reach` is the share of page views in which rows come into view, by segment.  What a
 * shelf
 * adds is its factor on the page or, where it is known, in the segment, times that in the row; `orders` are
 * factors of orders per click, by segment.  The segment `*` stands for all that are not named.
 */
export interface ShelvesFit {
  rows?: Record<string, number>;
  columns?: Record<string, number[]>;
  slots?: Record<string, number>;
  reach?: Record<string, Record<string, number>>;
  page?: Record<string, [number, number]>;
  segments?: Record<string, Record<string, [number, number]>>;
  spots?: Record<string, Record<string, [number, number]>>;
  orders?: Record<string, Record<string, [number, number]>>;
  /** How much factors differ from segment to segment: their variance around the page's. */
  segment_variance?: number;
}

/**
 * How far what visitors of learned segments look at anywhere foretells what they click on the page.
 *
 * On the logit scale an item's attractiveness in the segment `names[n]` is more by `weight` times
 * `points[item][n]`
 * / 16: the points are those of `segments`, in its `version`.
 */
export interface AffinityFit {
  weight: number;
  /** Grows with every publication. */
  version: number;
  names: string[];
  points: Record<string, number[]>;
}

/**
 * The statistics of a page and segment changed; the record's key says which.
 *
 * `impressions` and `clicks` add up over requests to what was counted.
 */
export interface LayoutRequest {
  /** The page, as named in page-rules. */
  page: string;
  /** The segment, as named by the web tier; '*' is the whole page. */
  segment: string;
  /** By a click or purchase, and not by impressions alone. */
  clicked?: boolean;
  /** Items that were seen in a slot, since the request before. */
  impressions?: number;
  /** Clicks, and purchases that came from them, since the request before. */
  clicks?: number;
}

/**
 * The slates of one page for one segment.
 *
 * A slate maps slot to item; a slot without an item is left to the renderer.
 * `propensities[slot][item]` is the share of variants with the item in the
 * slot: the exact probability for a visitor outside the holdout.  `watermarks`
 * maps a topic to the next offset of each partition that the layout reflects.
 *
 * On a page with shelves `rows` says for each slate which shelf stands in which row; a row without one is left
 * out of the page.  `row_propensities[row][shelf]` is the share of variants in which the shelf stands there.
 */
export interface Layout {
  /** The page, as named in page-rules. */
  page: string;
  /** The segment, as named by the web tier; '*' is the whole page. */
  segment: string;
  /** Grows with every publication. */
  version: number;
  /** Milliseconds since 1970-01-01 UTC. */
  produced_at: number;
  /** Milliseconds since 1970-01-01 UTC. */
  expires_at: number;
  epoch: number;
  template: string;
  policy: string;
  settings_digest: string;
  /** Grows with every publication. */
  rules_version: number;
  /** Grows with every publication. */
  parameters_version: number;
  /** Next offset of each catalog-items partition. */
  catalog_position: number[];
  watermarks: Record<string, number[]>;
  holdout_share: number;
  holdout_salt: string;
  baseline: Record<string, string>;
  slates: Record<string, string>[];
  propensities: Record<string, Record<string, number>>;
  /** Rules that could not hold, in the order they were given up. */
  relaxed?: string[];
  /** The time that campaigns and stock were looked at for. */
  decided_at?: number;
  shadow_policy?: string;
  /** Slates of a policy that is not served; in the history only. */
  shadow?: Record<string, string>[];
  /** The experiment of learned against holdout counts what happened since then. */
  experiment_since?: number;
  /** The loss for which all visitors get the baseline; empty: they do not. */
  guard_rail?: string;
  /** Next offset of each catalog-embeddings partition. */
  embeddings_position?: number[];
  /** Who gets which slates, in their order, `main` first; none: all slates are for all units. */
  branches?: LayoutBranch[];
  branch_salt?: string;
  /**
   * The record of layout-lives that says how much longer than `expires_at` this layout is good, as long as it is
   * the newest of its key; empty: none.
   */
  life?: string;
  /** Row to shelf for each of `slates`, on a page with shelves. */
  rows?: Record<string, string>[];
  /** Row to shelf for `baseline`. */
  baseline_rows?: Record<string, string>;
  row_propensities?: Record<string, Record<string, number>>;
  /** When `rows` were decided, on a page with shelves. */
  arranged?: Arranged;
  /** The shelves that `rows` and `baseline_rows` name. */
  shelves?: Record<string, LayoutShelf>;
  /** `learned`: whoever shows the page chooses the visitor's segment by the model on the topic segments. */
  segments?: "learned";
  /** Grows with every publication. */
  whole_version?: number;
  /** The loss for which all segments have the slates of `*`; left out: they have their own. */
  segments_withdrawn?: string;
}

/** So many consecutive slates of a layout, for a share of the units outside the holdout. */
export interface LayoutBranch {
  name: string;
  policy: string;
  share: number;
  variants: number;
  /** The template that its slates are for, where the page has several. */
  template?: string;
  /** `*`: its slates are those of the whole page in each segment. */
  segment?: "*";
}

/**
 * When the shelves of a layout were decided: in the layout of a version, with so many page views counted then.
 *
 * They stand still from there until enough came for another decision; items go on living within them.
 */
export interface Arranged {
  /** Grows with every publication. */
  version: number;
  views: number;
}

/** What a renderer needs to know of a shelf beside its items. */
export interface LayoutShelf {
  title?: string;
  kind?: string;
}

/**
 * A sign of life: the newest layout of each key that names it is good until `expires_at`, if not longer by
 * itself.
 *
 * Its writer has brought all of them up to date.  Where it could not, `expires_at` stays as it was and
 * `held_up_by` says why.
 */
export interface LayoutLife {
  /** The record's key; layouts name it in their field `life`. */
  life: string;
  /** Milliseconds since 1970-01-01 UTC. */
  produced_at: number;
  /** Milliseconds since 1970-01-01 UTC. */
  expires_at: number;
  /** What kept the writer from moving `expires_at` on; empty: nothing. */
  held_up_by?: string;
}

/**
 * How a visitor's segment follows from the last items that they looked at, all in whole numbers.
 *
 * A segment's sum is its start, plus its points for the visitor's value of `attribute`, plus its points for each
 * of
 * the last `window` distinct items; the first of the largest sums decides, unless the current segment's is at
 * most
 * `margin` lower.  A value that `values` lacks counts as `other`.  The items follow in `parts` records
 * of SegmentItems with the same `version`.  A segment that no item leads to is `t00`.
 *
 * A `name` is of one generation and never used again: `names_given` were given so far.  `moved` is the share of
 * units of the sample that are in another segment than by the version before.  `gain` is by how much the
 * segments
 * raise the logarithm of the likelihood of an item that was held out, `attribute_gains` what each attribute
 * adds.
 */
export interface SegmentModel {
  /** Grows with every publication. */
  version: number;
  generation: number;
  /** Milliseconds since 1970-01-01 UTC. */
  published_at: number;
  names: string[];
  /** Points of each segment of `names`. */
  starts: number[];
  parts: number;
  attribute?: string;
  values?: Record<string, number[]>;
  margin?: number;
  window?: number;
  names_given?: number;
  /** Units of the sample. */
  units?: number;
  moved?: number;
  gain?: number;
  attribute_gains?: Record<string, number>;
  /** What people read, for each of `names`. */
  segments?: LearnedSegment[];
}

/**
 * What people read of a segment; nothing is decided by it.
 *
 * `units` of the sample are in it, `share` of those that are assigned.  `words` are more frequent in what they
 * looked at than in what all did, and `items` set it apart from the others, the surest first.
 */
export interface LearnedSegment {
  units: number;
  share: number;
  words?: string[];
  items?: string[];
}

/** A part of the items of a model: what having looked at each of them adds to the sum of each segment. */
export interface SegmentItems {
  /** Grows with every publication. */
  version: number;
  part: number;
  items: Record<string, number[]>;
}

/**
 * The learned segment that a unit of the sample came into, by the model of this version.
 *
 * A unit without a record is in `t00`.
 */
export interface UnitSegment {
  /** The segment, as named by the web tier; '*' is the whole page. */
  segment: string;
  /** Grows with every publication. */
  version: number;
}
