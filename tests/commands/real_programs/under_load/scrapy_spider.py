"""python scrapy_spider.py: asks itself for nothing but its handlers, and ends."""

import sys

import handlers
import scrapy
from scrapy.crawler import CrawlerProcess


class Spider(scrapy.Spider):
    name = "under_load"

    async def start(self):
        for name in sys.argv[1].split(","):
            yield scrapy.Request(f"data:,{name}", callback=self.parse, dont_filter=True)

    async def parse(self, response):
        print(await handlers.ALL[response.text](), flush=True)


if __name__ == "__main__":
    process = CrawlerProcess({"LOG_ENABLED": False, "CONCURRENT_REQUESTS": 2})
    process.crawl(Spider)
    process.start()
