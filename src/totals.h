/* L4: sums over shards in the segment itself, for readers that cannot follow chains (BPF programs). Only where the host asks. */
#ifndef WEIR_TOTALS_H
#define WEIR_TOTALS_H

/* Fills the copy that nobody is shown, of each block that is used, and shows it. A page that cannot be had: that block has no
 * totals until there is one. By one thread at a time: the tick. */
void weir__totals_publish(void);

#endif
