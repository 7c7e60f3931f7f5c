/* L5: instruments of weir's own. See own.h. No data of its own. */
#include "own.h"

#include "atomic.h"

#include <string.h>

void weir__own_declare(struct weir__own *own, const uint8_t (*kinds)[2], const char *texts, size_t count, uint32_t *done)
{
	if (weir__load_acquire(done) != 0)
		return;
	for (size_t i = 0; i < count; i++) {
		struct weir_instrument *d = &own[i].observed.i_;

		d->state_ = &own[i].state;
		d->text_ = own[i].text;
		d->abi_ = 1;
		d->kind_ = kinds[i][0];
		d->unit_ = kinds[i][1];
		for (size_t t = 0; t < 3; t++, texts += strlen(texts) + 1)
			own[i].text[t] = *texts != '\0' ? texts : NULL;
		d->labels_ = own[i].text[2] != NULL;
	}
	weir__store_release(done, 1u);
}
