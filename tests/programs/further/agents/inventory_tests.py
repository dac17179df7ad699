# /// program
# about = "A class and its unittest suite: set-up, fixtures, sub-tests, mocks, patched clock."
# value = "('FAILED (failures=1, skipped=1, expected failures=1)', ' : lists differ')"
# stdout = '''
# 8 1 0 1 1
# test_counts (__main__.InventoryTest.test_counts) ... ok
# '''
# ///
import io
import json
import unittest
from unittest import mock


class OutOfStock(Exception):
    pass


class Inventory:
    def __init__(self, gateway, path="stock.json"):
        self.gateway, self.path = gateway, path
        self.stock = {}

    def receive(self, item, count=1):
        if count <= 0:
            raise ValueError("count must be positive")
        self.stock[item] = self.stock.get(item, 0) + count

    def ship(self, item):
        if not self.stock.get(item):
            raise OutOfStock(item)
        self.stock[item] -= 1
        return self.gateway.send(item, urgent=True)

    def save(self):
        with open(self.path, "w") as out:
            json.dump(self.stock, out)


class InventoryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = ["made once"]

    def setUp(self):
        self.gateway = mock.Mock(spec=["send"])
        self.gateway.send.return_value = "label-1"
        self.inventory = Inventory(self.gateway)
        self.addCleanup(self.inventory.stock.clear)

    def test_ships_what_is_there(self):
        self.inventory.receive("tea", 2)
        self.assertEqual(self.inventory.ship("tea"), "label-1")
        self.gateway.send.assert_called_once_with("tea", urgent=True)
        self.assertDictEqual(self.inventory.stock, {"tea": 1})

    def test_refuses_what_is_not(self):
        with self.assertRaises(OutOfStock) as caught:
            self.inventory.ship("gold")
        self.assertEqual(str(caught.exception), "gold")
        self.gateway.send.assert_not_called()

    def test_counts(self):
        for count in (0, -1):
            with self.subTest(count=count), self.assertRaisesRegex(ValueError, "positive"):
                self.inventory.receive("tea", count)

    def test_saves(self):
        with mock.patch("builtins.open", mock.mock_open()) as opened:
            self.inventory.save()
        opened.assert_called_once_with("stock.json", "w")

    @mock.patch.object(Inventory, "ship", side_effect=["a", "b"])
    def test_patched(self, ship):
        self.assertIn(self.inventory.ship("x"), ("a", "b"))
        self.assertTrue(ship.called)

    @unittest.expectedFailure
    def test_known_bug(self):
        self.assertAlmostEqual(0.1 + 0.2, 0.4)

    @unittest.skipIf(True, "later")
    def test_later(self):
        self.fail("never")

    def test_wrong(self):
        self.assertEqual([1, 2], [1, 3], "lists differ")


stream = io.StringIO()
suite = unittest.TestLoader().loadTestsFromTestCase(InventoryTest)
result = unittest.TextTestRunner(stream=stream, verbosity=2).run(suite)
print(result.testsRun, len(result.failures), len(result.errors), len(result.skipped), len(result.expectedFailures))
print([line for line in stream.getvalue().splitlines() if line.startswith(("test_", "FAILED", "Ran"))][0])
stream.getvalue().strip().splitlines()[-1], result.failures[0][1].strip().splitlines()[-1]
