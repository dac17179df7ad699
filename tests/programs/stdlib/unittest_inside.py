# /// program
# about = "Runs its own unittest suite, with set-up, sub-tests, mocks, skips and a failure."
# value = "(True, True, False)"
# stdout = '''
# failures 1 skipped 1
# AssertionError: 2 == 2
# '''
# ///
import io
import time
import unittest
from unittest import mock


class Basket:
    def __init__(self, rates):
        self.rates, self.items = rates, []

    def add(self, price, currency="EUR"):
        if price < 0:
            raise ValueError("negative price")
        self.items.append(price * self.rates.get(currency))

    def total(self):
        return round(sum(self.items), 2)


class BasketTest(unittest.TestCase):
    def setUp(self):
        self.rates = mock.Mock()
        self.rates.get.side_effect = {"EUR": 1, "USD": 0.9}.get
        self.basket = Basket(self.rates)

    def test_total(self):
        self.basket.add(10)
        self.basket.add(10, "USD")
        self.assertAlmostEqual(self.basket.total(), 19)
        self.rates.get.assert_called_with("USD")
        self.assertEqual(self.rates.get.call_count, 2)

    def test_negative(self):
        with self.assertRaisesRegex(ValueError, "negative"):
            self.basket.add(-1)

    def test_several(self):
        for price in (1, 2, 3):
            with self.subTest(price=price):
                self.assertNotEqual(price, 2)

    @unittest.skip("not today")
    def test_skipped(self):
        self.fail()

    @mock.patch("time.time", return_value=3.0)
    def test_patch(self, fake):
        self.assertEqual(time.time(), 3.0)
        fake.assert_called_once_with()


stream = io.StringIO()
suite = unittest.defaultTestLoader.loadTestsFromTestCase(BasketTest)
result = unittest.TextTestRunner(stream=stream, verbosity=0).run(suite)
print("failures", len(result.failures), "skipped", len(result.skipped))
print(result.failures[0][1].strip().splitlines()[-1])
"FAILED" in stream.getvalue(), time.time() > 3, result.wasSuccessful()
