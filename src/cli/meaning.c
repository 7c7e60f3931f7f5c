/* weir, the command: what names mean. See meaning.h. No data of its own. */
#include "meaning.h"

#include <string.h>

static char normal(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_';
}

static void plain(char out[MEANING_NAME_MOST], struct model_text name)
{
	size_t len = name.len < MEANING_NAME_MOST - 1 ? name.len : MEANING_NAME_MOST - 1;

	for (size_t i = 0; i < len; i++)
		out[i] = normal(name.ptr[i]);
	out[len] = '\0';
}

void meaning_normal(char out[MEANING_NAME_MOST], struct model_text name)
{
	static const char *const endings[] = {"_total", "_seconds", "_bytes", "_ratio"};

	plain(out, name);
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		size_t len = strlen(out), ending = strlen(endings[i]);

		if (len > ending && strcmp(out + len - ending, endings[i]) == 0)
			out[len - ending] = '\0';
	}
}

bool meaning_has(struct model_text name, const char *part)
{
	char text[MEANING_NAME_MOST];

	plain(text, name);
	return strstr(text, part) != NULL;
}

enum role meaning_of_label(struct model_text name)
{
	static const struct {
		const char *name;
		enum role role;
	} known[] = {
		{"route", ROLE_ROUTE}, {"http_route", ROLE_ROUTE}, {"path", ROLE_ROUTE}, {"url_template", ROLE_ROUTE}, {"handler", ROLE_ROUTE},
		{"endpoint", ROLE_ROUTE}, {"uri", ROLE_ROUTE}, {"operation", ROLE_ROUTE}, {"action", ROLE_ROUTE}, {"rpc_method", ROLE_ROUTE},
		{"grpc_method", ROLE_ROUTE}, {"rpc_service", ROLE_METHOD}, {"grpc_service", ROLE_METHOD}, {"method", ROLE_METHOD},
		{"http_method", ROLE_METHOD}, {"http_request_method", ROLE_METHOD}, {"verb", ROLE_METHOD}, {"code", ROLE_STATUS},
		{"status", ROLE_STATUS}, {"status_code", ROLE_STATUS}, {"http_status", ROLE_STATUS}, {"http_code", ROLE_STATUS},
		{"http_status_code", ROLE_STATUS}, {"http_response_status_code", ROLE_STATUS}, {"response_code", ROLE_STATUS},
		{"rpc_grpc_status_code", ROLE_STATUS}, {"rpc_response_status_code", ROLE_STATUS}, {"grpc_status", ROLE_STATUS},
		{"grpc_code", ROLE_STATUS}, {"outcome", ROLE_STATUS}, {"result", ROLE_STATUS}, {"success", ROLE_STATUS},
		{"error_type", ROLE_ERROR}, {"exception", ROLE_ERROR}, {"error", ROLE_ERROR}, {"tenant", ROLE_TENANT}, {"tenant_id", ROLE_TENANT},
		{"app_tenant", ROLE_TENANT}, {"customer", ROLE_TENANT}, {"customer_id", ROLE_TENANT}, {"org", ROLE_TENANT}, {"org_id", ROLE_TENANT},
		{"organization", ROLE_TENANT}, {"account", ROLE_TENANT}, {"account_id", ROLE_TENANT}, {"user", ROLE_TENANT}, {"user_id", ROLE_TENANT},
		{"enduser_id", ROLE_TENANT}, {"client_id", ROLE_TENANT}, {"consumer", ROLE_TENANT}, {"workspace", ROLE_TENANT},
		{"url_scheme", ROLE_NOISE}, {"scheme", ROLE_NOISE}, {"http_scheme", ROLE_NOISE}, {"http_flavor", ROLE_NOISE},
		{"network_protocol_name", ROLE_NOISE}, {"network_protocol_version", ROLE_NOISE}, {"net_protocol_name", ROLE_NOISE},
		{"net_protocol_version", ROLE_NOISE}, {"server_address", ROLE_NOISE}, {"server_port", ROLE_NOISE}, {"net_host_name", ROLE_NOISE},
		{"net_host_port", ROLE_NOISE}, {"rpc_system", ROLE_NOISE}, {"rpc_system_name", ROLE_NOISE}, {"grpc_type", ROLE_NOISE},
	};
	char text[MEANING_NAME_MOST];

	plain(text, name);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, text) == 0)
			return known[i].role;
	return ROLE_OTHER;
}

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, list[i]) == 0)
			return true;
	return false;
}

/* As numbers: those of google.rpc.Code that the conventions count as a server's errors. */
static enum outcome of_grpc(const char *text)
{
	static const char *const errors[] = {"2", "unknown", "4", "deadlineexceeded", "deadline_exceeded", "12", "unimplemented",
	                                     "13", "internal", "14", "unavailable", "15", "dataloss", "data_loss"};
	static const char *const fine[] = {"0", "ok"};

	if (is_one_of(text, errors, sizeof errors / sizeof *errors))
		return OUTCOME_ERROR;
	return *text == '\0' || is_one_of(text, fine, sizeof fine / sizeof *fine) ? OUTCOME_FINE : OUTCOME_REFUSED;
}

enum outcome meaning_of_status(enum role role, struct model_text name, struct model_text value)
{
	static const char *const none[] = {"", "none", "false", "0", "ok"};
	static const char *const errors[] = {"error", "errors", "failed", "failure", "fail", "false", "timeout", "exception", "server_error", "5xx"};
	static const char *const refused[] = {"refused", "rejected", "denied", "forbidden", "client_error", "limited", "4xx"};
	char text[MEANING_NAME_MOST];
	bool digits;

	plain(text, value);
	if (role == ROLE_ERROR)
		return is_one_of(text, none, sizeof none / sizeof *none) ? OUTCOME_FINE : OUTCOME_ERROR;
	if (meaning_has(name, "grpc") || meaning_has(name, "rpc_response"))
		return of_grpc(text);
	digits = value.len == 3 && text[strspn(text, "0123456789")] == '\0';
	if (digits)
		return text[0] >= '5' ? OUTCOME_ERROR : text[0] == '4' ? OUTCOME_REFUSED : OUTCOME_FINE;
	if (is_one_of(text, errors, sizeof errors / sizeof *errors))
		return OUTCOME_ERROR;
	return is_one_of(text, refused, sizeof refused / sizeof *refused) ? OUTCOME_REFUSED : OUTCOME_FINE;
}

bool meaning_is_own(struct model_text name)
{
	static const char *const own[] = {"weir_", "otel_", "process_"};
	char text[MEANING_NAME_MOST];

	plain(text, name);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (strncmp(text, own[i], strlen(own[i])) == 0)
			return true;
	return false;
}

int meaning_of_name(struct model_text name)
{
	static const struct {
		const char *part;
		int points;
	} parts[] = {{"request", 30}, {"server", 20}, {"http", 15},   {"rpc", 15},   {"call", 5},   {"response", 5},
	             {"client", -60}, {"db_", -20},   {"queue", -10}, {"cache", -20}, {"wait", -20}, {"size", -40}};
	int points = 0;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (meaning_has(name, parts[i].part))
			points += parts[i].points;
	return points;
}
