/* weir jwt: a policy in JSON. */
#ifndef WEIR_CLI_JWT_POLICY_FILE_H
#define WEIR_CLI_JWT_POLICY_FILE_H

struct policy;

/* Into the policy, whose texts are the file's, which it keeps. FLAGS_RUN, or the code to end with: it has complained. A member
 * that is not known is a mistake: it might be a check that would not be made. */
int policy_file_read(struct policy *policy, const char *who, const char *path);

#endif
