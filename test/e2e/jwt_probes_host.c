/* A program that passes weir-jwt's probes, driven by lines of text, for pointers.py: jwt_probes_host JWKS TOKEN. run N: N requests with
 * the token, and N with none that verifies; fork N: the same in a child that has just been forked. It answers each "ok", or ends. */
#define _GNU_SOURCE
#include <weir/jwt.h>
#include <weir/weir.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct weir_jwt_verifier *verifier;

static void start(const char *path)
{
	static const struct weir_jwt_claim claims[] = {{.claim = "tenant", .label = "tenant"}};
	const struct weir_options w = {.size = sizeof w, .no_thread = true, .log_level = WEIR_LOG_NONE};
	struct weir_jwt_options o = {.size = sizeof o, .claims = claims, .claims_count = 1};
	static char bytes[65536];
	FILE *file = fopen(path, "re");
	struct weir_jwks *keys;
	size_t len;

	if (file == NULL)
		exit(2);
	len = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	if (weir_init(&w) != WEIR_OK || weir_jwks_new(&keys) != WEIR_OK || weir_jwks_add_jwks(keys, weir_str_n(bytes, len), NULL) != WEIR_OK)
		exit(3);
	o.keys = keys;
	if (weir_jwt_verifier_new(&verifier, &o) != WEIR_OK)
		exit(4);
	weir_jwks_destroy(keys);
}

static void request(const char *authorization, bool good)
{
	const struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct weir_ctx ctx;

	weir_ctx_begin(&ctx, NULL, 0);
	weir_ctx_set_peer(&ctx, &peer, sizeof peer);
	weir_ctx_set_route(&ctx, weir_str_of("/jwt/{id}"));
	if ((weir_ctx_authenticate(&ctx, verifier, weir_str_of(authorization)) == WEIR_JWT_OK) != good)
		_exit(5);
	weir_ctx_end(&ctx);
}

static void requests(unsigned long count, const char *authorization)
{
	for (unsigned long n = 0; n < count; n++) {
		request(authorization, true);
		request("Bearer rubbish", false);
	}
}

int main(int argc, char **argv)
{
	char line[256], authorization[4096];
	unsigned long count;
	int status = 0;

	if (argc != 3)
		return 2;
	snprintf(authorization, sizeof authorization, "Bearer %s", argv[2]);
	start(argv[1]);
	puts("ok 0");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		if (sscanf(line, "run %lu", &count) == 1) {
			requests(count, authorization);
		} else if (sscanf(line, "fork %lu", &count) == 1) {
			pid_t child = fork();

			if (child == 0) {
				requests(count, authorization);
				_exit(0);
			}
			if (waitpid(child, &status, 0) != child || status != 0)
				return 6;
		} else {
			break;
		}
		puts("ok 0");
		fflush(stdout);
	}
	return 0;
}
