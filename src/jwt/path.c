/* weir-jwt: names and JSON pointers. See path.h. Layer: jwt, pure. */
#define _GNU_SOURCE
#include "path.h"

#include <stdlib.h>
#include <string.h>

/* Takes the steps of "a/b~1c" apart where they stand: an escape is longer than what it stands for. */
static int take_apart(struct weir__jwt_path *path)
{
	const char *in = path->text + 1;
	char *out = path->text;

	for (;;) {
		struct weir_str *step = &path->step[path->steps++];

		step->ptr = out;
		while (*in != '\0' && *in != '/') {
			char c = *in++;

			if (c == '~') {
				if (*in != '0' && *in != '1')
					return WEIR_EINVAL;
				c = *in++ == '0' ? '~' : '/';
			}
			*out++ = c;
		}
		step->len = (size_t)(out - step->ptr);
		if (*in++ == '\0')
			return WEIR_OK;
		if (path->steps == WEIR__JWT_STEPS)
			return WEIR_EINVAL;
	}
}

int weir__jwt_path_make(struct weir__jwt_path *path, const char *claim)
{
	int error = WEIR_OK;

	memset(path, 0, sizeof *path);
	if (claim == NULL || claim[0] == '\0')
		return WEIR_EINVAL;
	path->text = strdup(claim);
	if (path->text == NULL)
		return WEIR_ENOMEM;
	if (claim[0] == '/') {
		error = take_apart(path);
	} else {
		path->step[0] = weir_str_of(path->text);
		path->steps = 1;
	}
	if (error != WEIR_OK)
		weir__jwt_path_free(path);
	return error;
}

void weir__jwt_path_free(struct weir__jwt_path *path)
{
	free(path->text);
	memset(path, 0, sizeof *path);
}

/* RFC 6901: 0, or digits that do not begin with 0; anything else is no place in an array. */
static bool is_index(struct weir_str step, size_t *index)
{
	*index = 0;
	if (step.len == 0 || step.len > 6 || (step.len > 1 && step.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < step.len; i++) {
		if (step.ptr[i] < '0' || step.ptr[i] > '9')
			return false;
		*index = *index * 10 + (size_t)(step.ptr[i] - '0');
	}
	return true;
}

const struct weir__jwt_node *weir__jwt_path_find(const struct weir__jwt_path *path, const struct weir__jwt_tree *tree)
{
	const struct weir__jwt_node *at = &tree->nodes[0];
	size_t index;

	for (size_t i = 0; i < path->steps && at != NULL; i++) {
		if (at->type == WEIR__JWT_OBJECT)
			at = weir__jwt_tree_member(tree, at, path->step[i]);
		else
			at = is_index(path->step[i], &index) ? weir__jwt_tree_item(tree, at, index) : NULL;
	}
	return at != NULL && at->type != WEIR__JWT_NULL ? at : NULL;
}
