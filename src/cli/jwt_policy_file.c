/* weir jwt: a policy in JSON. See jwt_policy_file.h. No data of its own. */
#include "jwt_policy_file.h"

#include "command.h"
#include "duration.h"
#include "jwt_policy.h"

#include <string.h>

enum { POLICY_FILE_MAX = 1 << 20 };

/* Each: false: the member is of another type. */
static bool text_member(const json_t *value, const char **out)
{
	*out = json_string_value(value);
	return *out != NULL;
}

static bool bool_member(const json_t *value, bool *out)
{
	*out = json_is_true(value);
	return json_is_boolean(value);
}

static bool time_member(const json_t *value, uint64_t *ns)
{
	int64_t seconds = json_integer_value(value);

	if (json_is_string(value) ? !duration_parse(json_string_value(value), &seconds) : !json_is_integer(value))
		return false;
	*ns = (uint64_t)seconds * UINT64_C(1000000000);
	return seconds >= 0 && seconds < INT64_C(10000000000);
}

static bool list_member(const json_t *value, const char **list)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > POLICY_LIST_MAX)
		return false;
	json_array_foreach(value, i, one)
		if (!text_member(one, &list[i]))
			return false;
	list[json_array_size(value)] = NULL;
	return true;
}

static bool claim_member(struct weir_jwt_claim *claim, const char **label_values, const char *name, const json_t *value)
{
	if (strcmp(name, "claim") == 0)
		return text_member(value, &claim->claim);
	if (strcmp(name, "attribute") == 0)
		return text_member(value, &claim->attribute);
	if (strcmp(name, "label") == 0)
		return text_member(value, &claim->label);
	if (strcmp(name, "anonymous") == 0)
		return text_member(value, &claim->anonymous);
	if (strcmp(name, "equals") == 0)
		return text_member(value, &claim->equals);
	if (strcmp(name, "hashed") == 0)
		return bool_member(value, &claim->hashed);
	if (strcmp(name, "first") == 0)
		return bool_member(value, &claim->first);
	if (strcmp(name, "required") == 0)
		return bool_member(value, &claim->required);
	if (strcmp(name, "label_values") == 0) {
		claim->label_values = label_values;
		return list_member(value, label_values);
	}
	if (strcmp(name, "label_top") == 0) {
		claim->label_top = (uint32_t)json_integer_value(value);
		return json_is_integer(value) && json_integer_value(value) > 0 && json_integer_value(value) <= 1000;
	}
	return false;
}

static bool claims_member(struct policy *policy, const json_t *value, const char **wrong)
{
	const json_t *one, *member;
	const char *name;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > POLICY_CLAIMS_MAX)
		return false;
	json_array_foreach(value, i, one) {
		json_object_foreach((json_t *)(uintptr_t)one, name, member)
			if (!claim_member(&policy->claims[i], policy->label_values[i], name, member)) {
				*wrong = name;
				return false;
			}
		if (policy->claims[i].claim == NULL)
			return false;
	}
	policy->options.claims_count = json_array_size(value);
	return true;
}

static bool member_of(struct policy *policy, const char *name, const json_t *value, const char **wrong)
{
	struct weir_jwt_options *options = &policy->options;

	if (strcmp(name, "issuer") == 0)
		return text_member(value, &options->issuer);
	if (strcmp(name, "audience") == 0)
		return text_member(value, &options->audience);
	if (strcmp(name, "type") == 0)
		return text_member(value, &options->type);
	if (strcmp(name, "result_label") == 0)
		return text_member(value, &options->result_label);
	if (strcmp(name, "required") == 0)
		return list_member(value, policy->required);
	if (strcmp(name, "leeway") == 0)
		return time_member(value, &options->leeway_ns);
	if (strcmp(name, "max_age") == 0)
		return time_member(value, &options->max_age_ns);
	if (strcmp(name, "no_expiry") == 0)
		return bool_member(value, &options->allow_no_expiry);
	return strcmp(name, "claims") == 0 && claims_member(policy, value, wrong);
}

int policy_file_read(struct policy *policy, const char *who, const char *path)
{
	struct whole file;
	json_error_t error;
	const char *name;
	json_t *value;

	if (!whole_read(&file, who, path, POLICY_FILE_MAX))
		return EXIT_REFUSED;
	policy->file = json_loadb(file.bytes, file.len, JSON_REJECT_DUPLICATES, &error);
	whole_free(&file);
	if (policy->file == NULL)
		return complain(EXIT_REFUSED, who, "%s: no JSON: line %d, column %d", path, error.line, error.column);
	if (!json_is_object(policy->file))
		return complain(EXIT_REFUSED, who, "%s: no JSON object", path);
	json_object_foreach(policy->file, name, value) {
		const char *wrong = name;

		if (!member_of(policy, name, value, &wrong))
			return complain(EXIT_REFUSED, who, "%s: \"%s\" is no member of a policy, or has a wrong value", path, wrong);
	}
	return FLAGS_RUN;
}
