# /// program
# about = "The warnings module: categories, filters, catching, deprecated functions."
# value = "1"
# stdout = '''
# [('DeprecationWarning', 'old_area is deprecated, use area'), ('ShopWarning', 'stock is low')]
# as error: stock is empty
# '''
# ///
import warnings


def old_area(w, h):
    warnings.warn("old_area is deprecated, use area", DeprecationWarning, stacklevel=2)
    return w * h


class ShopWarning(UserWarning):
    pass


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    old_area(2, 3)
    warnings.warn("stock is low", ShopWarning)
print([(w.category.__name__, str(w.message)) for w in caught])
with warnings.catch_warnings():
    warnings.simplefilter("error", ShopWarning)
    try:
        warnings.warn("stock is empty", ShopWarning)
    except ShopWarning as error:
        print("as error:", error)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("once")
    for _ in range(3):
        warnings.warn("same place")
len(caught)
