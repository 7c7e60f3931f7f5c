/* What the BPF program of totals hands to its reader. */
#ifndef TOTALS_H
#define TOTALS_H

enum { BYTES = 4 << 20 /* of the map: weir_shm_start's own size */ };

struct answer {
	unsigned int cell;         /* asked for */
	unsigned int found;        /* bits: 1 it is a segment; 2 there is a total */
	unsigned long long total;  /* as of the last flush: one look-up, one offset */
	unsigned long long newest; /* the sum over the threads */
	unsigned long long time_ns; /* of the total: CLOCK_REALTIME */
};

#endif
