// What is wider than the page is scrolled: by keys, too, so it must be reachable with the Tab key.
"use strict";
for (const wide of document.querySelectorAll("pre > code, figure, .table-wrapper")) {
  if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
}
