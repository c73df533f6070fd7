"""The console: what Reshelf does, on pages in a browser.

It reads topics and Redis; what it writes are rules, and marks of the notices that it
sent.  The pages themselves are plain modules in `static/`, served as they are: no build
step, and nothing from elsewhere.

- `access_control`: who may ask the console, and what a browser may do with its answers
- `followed`: topics that the console reads once and then follows, so that no answer waits for them
- `language`: answers of the console in the language of who asks
- `layout_history`: the layouts of now and lately, and what a visitor saw change
- `live_view`: what the console sees: topics that it follows, and the state in Redis
- `monitor`: how the pipeline runs: events in, how far the state has come, workers, Redis
- `notices`: notices to people who are not looking: by webhook and mail, each once
- `page_news`: what happened on pages that one should know: items that rose and fell, and rules that
  cannot hold
- `routes`: the role that each address of the console needs
- `static_files`: the files of the console's pages, served as they are
- `title_search`: items of the catalog by words of their titles, as fast as somebody types
- `uplift_lines`: the uplifts of a page over the last hour, small in memory
- `views`: what each page of the console shows, as JSON
- `web`: the console's server: its pages, and the content of each as JSON
"""
