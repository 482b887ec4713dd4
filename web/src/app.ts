// What makes the pages live. Everything works without it: forms and links are plain, times are written by the server.

import htmx from "htmx.org";

import "./compare-tray";
import "./helps";
import "./live-search";
import "./progress";
import "./remaining";
import "./suggestions";

// Going back to an earlier search loads its page anew, so that form, results and address always agree.
htmx.config.history = "reload";
// A page of an error is not a part of this page.
(htmx.config.noSwap as (number | string)[]) = [204, 304, "5xx"]; // its types know numbers only
