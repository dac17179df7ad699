# /// program
# about = "Works on variables that the host put in: rows, a threshold, bytes, a date."
# value = "{'mean': 13.0, 'coldest': 'Oslo', 'count': 4}"
# stdout = '''
# ['Rome', 'Cairo'] 6 bytes
# 2024-03-01 19.00
# '''
# [variables]
# "rows" = "[{'city': 'Oslo', 'temp': -3.5}, {'city': 'Rome', 'temp': 14.0}, {'city': 'Cairo', 'temp': 22.5}]"
# "threshold" = "10"
# "blob" = "bytes([1, 2, 3])"
# "start" = "datetime.date(2024, 2, 28)"
# "rate" = "Decimal('0.19')"
# ///
import datetime

warm = [row["city"] for row in rows if row["temp"] > threshold]
print(warm, sum(blob), type(blob).__name__)
print(start + datetime.timedelta(days=2), rate * 100)
rows.append({"city": "Lima", "temp": 19.0})
{
    "mean": sum(row["temp"] for row in rows) / len(rows),
    "coldest": min(rows, key=lambda row: row["temp"])["city"],
    "count": len(rows),
}
