/* The outcomes' texts. */
#include <weir/jwt.h>

const char *weir_jwt_result_text(enum weir_jwt_result result)
{
	switch (result) {
#define TEXT(value, name, text)                                                                                        \
	case name:                                                                                                     \
		return text;
		WEIR_JWT_RESULTS(TEXT)
#undef TEXT
	}
	return "unknown";
}
