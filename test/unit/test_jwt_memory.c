/* What stays in memory after a call: nothing of the token's payload or signature, nor the signature that would have been right; and
 * after a set is destroyed, nothing of its secrets. All memory that this process can write is searched, the stack's dead part too.
 *
 * Tokens are made by a child, in memory that both see, so that making them leaves nothing here. */
#define _GNU_SOURCE
#include "jwt_mint.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NEEDLE = 16 };

static struct shared {
	char token[8192], tampered[8192], pem[4096];
	size_t payload, signature;             /* where in the token */
	uint8_t raw[1024], secret[64];         /* the signature; a secret of the same bytes as another has */
	size_t raw_len, pem_len;
	char payload_text[1024];
	char out[8192];
} *shared;

static void make(enum weir__jwt_alg alg)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct mint_key key = mint_key_new(alg);
		char *token;

		if (key.pkey == NULL) {
			MINT(getentropy(shared->secret, sizeof shared->secret) == 0);
			key.secret = shared->secret;
			key.secret_len = sizeof shared->secret;
		} else {
			struct weir_str pem = mint_public_pem(key.pkey);

			memcpy(shared->pem, pem.ptr, pem.len);
			shared->pem_len = pem.len;
		}
		/* as long as leaves a rest in the hash's last block */
		strcpy(shared->payload_text, "{\"sub\":\"somebody\",\"scope\":\"read write\",\"tenant\":\"acme\",\"x\":\"0123456789abcdefghijklmnop\"}");
		token = mint_plain(&key, alg, "k", shared->payload_text);
		strcpy(shared->token, token);
		shared->payload = (size_t)(strchr(token, '.') - token) + 1;
		shared->signature = (size_t)(strrchr(token, '.') - token) + 1;
		shared->raw_len = mint_sign(&key, alg, token, shared->signature - 1, shared->raw);
		if (weir__jwt_alg_facts(alg)->family == WEIR__JWT_EC || weir__jwt_alg_facts(alg)->family == WEIR__JWT_PSS)
			shared->raw_len = 0; /* each signing gives another one: only its text is looked for */
		strcpy(shared->tampered, token);
		shared->tampered[shared->signature + 3] = token[shared->signature + 3] == 'A' ? 'B' : 'A';
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Byte by byte: what memcmp has in its registers is saved on the stack when the dynamic linker is entered. */
static bool is_here(const volatile uint8_t *at, const volatile uint8_t *needle)
{
	size_t same = 0;

	while (same < NEEDLE && at[same] == needle[same])
		same++;
	return same == NEEDLE;
}

/* How often these bytes stand in what this process can write, apart from the shared memory. */
static size_t count(const void *needle)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	size_t found = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof line, maps) != NULL) {
		uintptr_t from, to;
		char flags[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, flags) != 3 || flags[0] != 'r' || flags[1] != 'w' ||
		    from == (uintptr_t)shared || strstr(line, "[v") != NULL)
			continue;
		for (uintptr_t at = from; at + NEEDLE <= to; at++)
			found += is_here((const volatile uint8_t *)at, needle);
	}
	fclose(maps);
	return found;
}

static void nothing_of(const char *what, const char *alg, const void *needle)
{
	size_t found = count(needle);

	if (found != 0)
		fail_msg("%s: %s is there %zu times", alg, what, found);
}

static void search(const char *alg)
{
	nothing_of("the payload's text, its begin", alg, shared->token + shared->payload);
	nothing_of("the payload's text, its end", alg, shared->token + shared->signature - 1 - NEEDLE);
	nothing_of("the payload", alg, shared->payload_text + 8);
	nothing_of("the payload's end", alg, shared->payload_text + strlen(shared->payload_text) - NEEDLE);
	nothing_of("the signature's text", alg, shared->token + shared->signature);
	nothing_of("the signature's text, its end", alg, shared->token + strlen(shared->token) - NEEDLE);
	if (shared->raw_len != 0) {
		nothing_of("the signature", alg, shared->raw);
		nothing_of("the signature's end", alg, shared->raw + shared->raw_len - NEEDLE);
	}
}

static void tokens(void **state)
{
	(void)state;
	for (int a = 0; a < WEIR__JWT_ALGS; a++) {
		const char *alg = weir__jwt_alg_facts((enum weir__jwt_alg)a)->name;
		struct weir_jwks *keys;
		size_t len;

		make((enum weir__jwt_alg)a);
		assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
		if (shared->pem_len == 0)
			assert_int_equal(weir_jwks_add_secret(keys, "k", alg, weir_str_n(shared->secret, sizeof shared->secret)), WEIR_OK);
		else
			assert_int_equal(weir_jwks_add_pem(keys, "k", alg, weir_str_n(shared->pem, shared->pem_len)), WEIR_OK);
		assert_int_equal(weir_jws_verify(keys, weir_str_of(shared->token), shared->out, sizeof shared->out, &len), WEIR_JWT_OK);
		search(alg);
		assert_int_equal(weir_jws_verify(keys, weir_str_of(shared->tampered), shared->out, sizeof shared->out, &len),
		                 WEIR_JWT_BAD_SIGNATURE);
		search(alg);
		weir_jwks_destroy(keys);
		if (shared->pem_len == 0)
			nothing_of("the secret", alg, shared->secret);
		memset(shared, 0, sizeof *shared);
	}
}

/* That the search finds what is there: on the heap after free, and on the stack. */
static void search_works(void **state)
{
	char *leak;

	(void)state;
	make(WEIR__JWT_HS256);
	leak = malloc(1000);
	for (volatile char *to = leak + 100; to < leak + 164; to++)
		*to = shared->token[shared->payload + (size_t)(to - leak - 100)];
	assert_int_not_equal(count(shared->token + shared->payload), 0);
	free(leak);
	assert_int_not_equal(count(shared->token + shared->payload), 0);
	memset(shared, 0, sizeof *shared);
}

int main(int count_of_arguments, char **arguments)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tokens), cmocka_unit_test(search_works)};

	(void)count_of_arguments;
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	puts("skip jwt_memory: a sanitizer keeps what was freed, and owns the address space");
	return 0;
#endif
#endif
	if (getenv("LD_BIND_NOW") == NULL) { /* else the dynamic linker, at a first call, saves registers on the stack: also memchr's */
		setenv("LD_BIND_NOW", "1", 1);
		execv("/proc/self/exe", arguments);
	}
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests_name("jwt_memory", tests, NULL, NULL);
}
