/* One header with instruments, included by two files, and the same instrument declared in a function of each: one instrument
 * each, with the sums of both. As C, and as C++. */
#include "two_files.h"

#include <stdio.h>
#include <string.h>

#define EXPECT(that)                                                                                                   \
	do {                                                                                                           \
		if (!(that)) {                                                                                         \
			fprintf(stderr, "line %d: not %s\n", __LINE__, #that);                                         \
			return 1;                                                                                      \
		}                                                                                                      \
	} while (0)

static int families(const char *prefix)
{
	struct weir_snapshot *snapshot;
	struct weir_family f;
	int count = 0;

	if (weir_snapshot_new(&snapshot) != WEIR_OK)
		return -1;
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);)
		count += strncmp(f.name, prefix, strlen(prefix)) == 0;
	weir_snapshot_destroy(snapshot);
	return count;
}

static uint64_t in_a_function(void)
{
	WEIR_COUNTER(here, "two_files_in_functions_total", "Declared in a function of each file.");

	weir_counter_add(&here, 1);
	return weir_counter_read(&here);
}

int main(void)
{
	struct weir_distribution d;

	weir_counter_add(&shared, 1);
	weir_counter_add_with(&labelled, 1, "this");
	weir_histogram_record(&times, WEIR_MS(5));
	ADD_IN_NAMESPACE();
	record_in_other_file();
	EXPECT(weir_counter_read(&shared) == 11);
	EXPECT(weir_counter_series_read(weir_counter_with(&labelled, "other")) == 1);
	EXPECT(weir_counter_series_read(weir_counter_with(&labelled, "this")) == 1);
	d = weir_histogram_read(&times);
	EXPECT(d.count == 2 && d.good == 1);
	EXPECT(READ_IN_NAMESPACE() == 2);
	EXPECT(in_a_function() == 2);
#ifdef __cplusplus
	EXPECT(families("two_files_") == 6);
#else
	EXPECT(families("two_files_") == 5);
#endif
	return 0;
}
