/* Key sets: names that are there, copies, sets that follow each other, and keys that go out. */
#include "jwks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int add(struct weir_jwks *keys, const char *kid, const char *alg, char letter)
{
	char secret[64];

	memset(secret, letter, sizeof secret);
	return weir_jwks_add_secret(keys, kid, alg, weir_str_n(secret, sizeof secret));
}

static struct weir_jwks *new_set(void)
{
	struct weir_jwks *keys;

	assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
	assert_int_equal(weir_jwks_count(keys), 0);
	return keys;
}

static void names(void **state)
{
	struct weir_jwks *keys = new_set();

	(void)state;
	assert_int_equal(add(keys, "a", "HS256", '1'), WEIR_OK);
	assert_int_equal(add(keys, "a", "HS256", '2'), WEIR_ECONFLICT);
	assert_int_equal(add(keys, "a", "HS256", '1'), WEIR_ECONFLICT);
	assert_int_equal(add(keys, "a", "HS384", '1'), WEIR_OK); /* one kid may have several algorithms */
	assert_int_equal(add(keys, "A", "HS256", '1'), WEIR_OK);
	assert_int_equal(add(keys, "", "HS256", '1'), WEIR_OK); /* an empty kid is one */
	assert_int_equal(add(keys, "", "HS256", '2'), WEIR_ECONFLICT);
	for (char c = 'a'; c < 'i'; c++)
		assert_int_equal(add(keys, NULL, "HS256", c), WEIR_OK);
	assert_int_equal(add(keys, NULL, "HS256", 'a'), WEIR_ECONFLICT); /* the key itself is there */
	assert_int_equal(add(keys, NULL, "HS256", 'i'), WEIR_ELIMIT);    /* each would be tried */
	assert_int_equal(add(keys, NULL, "HS512", 'i'), WEIR_OK);
	assert_int_equal(weir_jwks_count(keys), 13);
	weir_jwks_destroy(keys);
}

static void most(void **state)
{
	struct weir_jwks *keys = new_set();
	char kid[16];

	(void)state;
	for (int i = 0; i < 256; i++) {
		snprintf(kid, sizeof kid, "%d", i);
		assert_int_equal(add(keys, kid, "HS256", 'x'), WEIR_OK);
	}
	assert_int_equal(add(keys, "256", "HS256", 'x'), WEIR_ELIMIT);
	assert_int_equal(weir_jwks_count(keys), 256);
	weir_jwks_destroy(keys);
}

static void references(void **state)
{
	struct weir_jwks *keys = new_set(), *copy;

	(void)state;
	assert_int_equal(add(keys, "a", "HS256", '1'), WEIR_OK);
	copy = weir__jwks_copy(keys);
	assert_int_equal(copy->generation, keys->generation);
	assert_ptr_equal(copy->entries[0].key, keys->entries[0].key);
	assert_ptr_equal(weir__jwks_ref(keys), keys);
	weir_jwks_destroy(keys);
	assert_int_equal(weir_jwks_count(keys), 1); /* the other reference's */
	weir__jwks_unref(keys);
	assert_int_equal(add(copy, "b", "HS256", '2'), WEIR_OK); /* the copy is one's own */
	assert_int_equal(weir_jwks_count(copy), 2);
	weir__jwks_unref(copy);
	weir__jwks_unref(NULL);
	weir_jwks_destroy(NULL);
	assert_int_equal(weir_jwks_count(NULL), 0);
	assert_int_equal(weir_jwks_new(NULL), WEIR_EINVAL);
}

static void generations(void **state)
{
	struct weir_jwks *a = new_set(), *b = new_set(), *merged;
	uint64_t before;

	(void)state;
	assert_true(a->generation != b->generation && a->generation != 0);
	before = a->generation;
	assert_int_equal(add(a, "a", "HS256", '1'), WEIR_OK);
	assert_true(a->generation != before && a->generation != b->generation);
	before = a->generation;
	assert_int_equal(add(a, "a", "HS256", '1'), WEIR_ECONFLICT);
	assert_int_equal(a->generation, before);
	merged = weir__jwks_merge(a, b, 0, 0);
	assert_true(merged->generation != a->generation && merged->generation != b->generation);
	weir__jwks_unref(merged);
	weir__jwks_unref(a);
	weir__jwks_unref(b);
}

static void same(void **state)
{
	struct weir_jwks *a = new_set(), *b = new_set();

	(void)state;
	assert_true(weir__jwks_same(a, b));
	assert_int_equal(add(a, "a", "HS256", '1'), WEIR_OK);
	assert_false(weir__jwks_same(a, b));
	assert_false(weir__jwks_same(b, a));
	assert_int_equal(add(a, "b", "HS256", '2'), WEIR_OK);
	assert_int_equal(add(b, "b", "HS256", '2'), WEIR_OK);
	assert_int_equal(add(b, "a", "HS256", '3'), WEIR_OK);
	assert_false(weir__jwks_same(a, b)); /* another secret of the same name */
	weir__jwks_unref(b);
	b = new_set();
	assert_int_equal(add(b, "b", "HS256", '2'), WEIR_OK);
	assert_int_equal(add(b, "a", "HS256", '1'), WEIR_OK);
	assert_true(weir__jwks_same(a, b)); /* in another order */
	b->entries[0].until_ns = 5;
	assert_false(weir__jwks_same(a, b)); /* it is on its way out */
	weir__jwks_unref(a);
	weir__jwks_unref(b);
}

static const struct weir__jwks_entry *find(const struct weir_jwks *keys, const char *kid, char letter)
{
	struct weir_jwks *one = new_set();
	const struct weir__jwks_entry *found = NULL;

	assert_int_equal(add(one, kid, "HS256", letter), WEIR_OK);
	for (size_t i = 0; i < keys->count; i++)
		if (memcmp(keys->entries[i].key->print, one->entries[0].key->print, 32) == 0 &&
		    (kid == NULL) == (keys->entries[i].key->kid == NULL) && (kid == NULL || strcmp(kid, keys->entries[i].key->kid) == 0))
			found = &keys->entries[i];
	weir_jwks_destroy(one);
	return found;
}

static void rotation(void **state)
{
	struct weir_jwks *first = new_set(), *second = new_set(), *third = new_set(), *now, *later;

	(void)state;
	assert_int_equal(add(first, "stays", "HS256", '1'), WEIR_OK);
	assert_int_equal(add(first, "goes", "HS256", '2'), WEIR_OK);
	assert_int_equal(add(first, "changes", "HS256", '3'), WEIR_OK);
	assert_int_equal(add(first, NULL, "HS256", '4'), WEIR_OK);
	assert_int_equal(add(first, NULL, "HS256", '5'), WEIR_OK);
	assert_int_equal(add(second, "stays", "HS256", '1'), WEIR_OK);
	assert_int_equal(add(second, "changes", "HS256", '6'), WEIR_OK);
	assert_int_equal(add(second, NULL, "HS256", '5'), WEIR_OK);

	now = weir__jwks_merge(first, NULL, 100, 1000);
	assert_int_equal(weir_jwks_count(now), 5);
	assert_int_equal(weir__jwks_next_end_ns(now), 0);
	later = weir__jwks_merge(second, now, 100, 1000);
	weir__jwks_unref(now);
	assert_int_equal(find(later, "stays", '1')->until_ns, 0);
	assert_int_equal(find(later, "goes", '2')->until_ns, 1000);
	assert_null(find(later, "changes", '3')); /* a name has one key: the new one */
	assert_int_equal(find(later, "changes", '6')->until_ns, 0);
	assert_int_equal(find(later, NULL, '4')->until_ns, 1000);
	assert_int_equal(find(later, NULL, '5')->until_ns, 0);
	assert_int_equal(weir_jwks_count(later), 5);
	assert_int_equal(weir__jwks_next_end_ns(later), 1000);

	now = later; /* again: a key that is on its way out has no longer for it */
	assert_int_equal(add(third, "stays", "HS256", '1'), WEIR_OK);
	later = weir__jwks_merge(third, now, 500, 1400);
	assert_int_equal(find(later, "goes", '2')->until_ns, 1000);
	assert_int_equal(find(later, "changes", '6')->until_ns, 1400);
	assert_int_equal(weir__jwks_next_end_ns(later), 1000);
	weir__jwks_unref(now);

	now = later; /* what has run out is gone; what comes back is in force again */
	later = weir__jwks_merge(second, now, 1000, 2000);
	assert_null(find(later, "goes", '2'));
	assert_int_equal(find(later, "changes", '6')->until_ns, 0);
	assert_int_equal(weir_jwks_count(later), 3);
	weir__jwks_unref(now);
	weir__jwks_unref(later);
	weir__jwks_unref(first);
	weir__jwks_unref(second);
	weir__jwks_unref(third);
}

/* A server that changes its keys all the time does not grow the set without bound. */
static void rotation_without_end(void **state)
{
	struct weir_jwks *now = new_set(), *before;
	char kid[16];

	(void)state;
	for (int i = 0; i < 600; i++) {
		struct weir_jwks *fresh = new_set();

		snprintf(kid, sizeof kid, "%d", i);
		assert_int_equal(add(fresh, kid, "HS256", 'x'), WEIR_OK);
		before = now;
		now = weir__jwks_merge(fresh, before, 0, 1000);
		assert_true(weir_jwks_count(now) <= 257);
		assert_int_equal(now->entries[0].until_ns, 0);
		assert_string_equal(now->entries[0].key->kid, kid);
		weir__jwks_unref(before);
		weir__jwks_unref(fresh);
	}
	weir__jwks_unref(now);
}

/* Without a kid each key would be tried: so many of them are not kept. */
static void rotation_without_names(void **state)
{
	struct weir_jwks *now = new_set(), *before;

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct weir_jwks *fresh = new_set();

		assert_int_equal(add(fresh, NULL, "HS256", (char)('0' + i)), WEIR_OK);
		before = now;
		now = weir__jwks_merge(fresh, before, 0, 1000);
		assert_true(weir_jwks_count(now) == (size_t)(i < 16 ? i + 1 : 16));
		assert_non_null(find(now, NULL, (char)('0' + i)));
		weir__jwks_unref(before);
		weir__jwks_unref(fresh);
	}
	weir__jwks_unref(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names),       cmocka_unit_test(most),     cmocka_unit_test(references),
	                                   cmocka_unit_test(generations), cmocka_unit_test(same),     cmocka_unit_test(rotation),
	                                   cmocka_unit_test(rotation_without_end), cmocka_unit_test(rotation_without_names)};

	return cmocka_run_group_tests_name("jwt_jwks", tests, NULL, NULL);
}
