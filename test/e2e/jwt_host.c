/* A program that verifies tokens, driven by jwt_interop.py: jwt_host KEYS, a file of lines "pem KID ALG FILE", "secret KID ALG FILE",
 * "jwk FILE" or "jwks FILE" (KID, ALG: - is none). A token a line on standard input; a line each: the result, a blank and the
 * payload. */
#define _GNU_SOURCE
#include <weir/jwt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct weir_str read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *bytes = malloc(1 << 20);
	size_t len = 0;

	if (file == NULL || bytes == NULL) {
		fprintf(stderr, "jwt_host: %s cannot be read\n", path);
		exit(1);
	}
	len = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return weir_str_n(bytes, len);
}

static int add(struct weir_jwks *keys, char *line)
{
	const char *words[4] = {"", "", "", ""}, *kid, *alg;
	struct weir_str bytes;
	size_t count = 0;
	int error;

	for (char *word = strtok(line, " \n"); word != NULL && count < 4; word = strtok(NULL, " \n"))
		words[count++] = word;
	bytes = read_file(count == 4 ? words[3] : words[1]);
	kid = strcmp(words[1], "-") != 0 ? words[1] : NULL;
	alg = strcmp(words[2], "-") != 0 ? words[2] : NULL;
	if (strcmp(words[0], "pem") == 0)
		error = weir_jwks_add_pem(keys, kid, alg, bytes);
	else if (strcmp(words[0], "secret") == 0)
		error = weir_jwks_add_secret(keys, kid, alg, bytes);
	else if (strcmp(words[0], "jwk") == 0)
		error = weir_jwks_add_jwk(keys, bytes);
	else
		error = weir_jwks_add_jwks(keys, bytes, NULL);
	free((char *)(uintptr_t)bytes.ptr);
	return error;
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
	struct weir_jwks *keys;
	char *line = NULL, *payload = malloc(65536);
	size_t room = 0, len;
	ssize_t got;

	if (file == NULL || payload == NULL || weir_jwks_new(&keys) != WEIR_OK)
		return 2;
	while (getline(&line, &room, file) > 0) {
		int error = add(keys, line);

		if (error != WEIR_OK) {
			fprintf(stderr, "jwt_host: a key: %s\n", weir_error_name(error));
			return 1;
		}
	}
	fclose(file);
	while ((got = getline(&line, &room, stdin)) > 0) {
		enum weir_jwt_result result;

		got -= line[got - 1] == '\n';
		result = weir_jws_verify(keys, weir_str_n(line, (size_t)got), payload, 65536, &len);
		printf("%s %.*s\n", weir_jwt_result_text(result), (int)len, payload);
	}
	free(line);
	free(payload);
	weir_jwks_destroy(keys);
	return 0;
}
